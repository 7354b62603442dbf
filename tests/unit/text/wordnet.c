/* WordNet: words, notations, kinds, on a dictionary written for the tests (tests/wordnet/make.py); damage;
 * and the installed one where there is one. */
#include "text/wordnet.h"

#include "base/file.h"
#include "tests_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static at_wordnet *open_own(const char *senses)
{
    const at_wordnet_options o = {
        .struct_size = sizeof o, .dir = "tests/wordnet", .senses = senses};
    at_wordnet *w = NULL;
    at_error err = {0};
    if (at_wordnet_open(&o, &w, &err) != AT_OK) fail_msg("%s", err.text);
    return w;
}

/* "key how definition", or the error. */
static void check(const at_wordnet *w, const char *word, const char *expected)
{
    at_sense *s = NULL;
    at_error err = {0};
    char got[1200];
    if (at_sense_find(w, word, &s, &err) == AT_OK)
        (void)snprintf(got, sizeof got, "%s %c%s%s", at_sense_key(s), "ofgt"[at_sense_chosen(s)],
                       at_sense_head(s) ? " of " : "", at_sense_head(s) ? at_sense_head(s) : "");
    else
        (void)snprintf(got, sizeof got, "%s: %s", at_status_code(err.status), err.text);
    at_sense_free(s);
    if (strncmp(got, expected, strlen(expected)) != 0)
        fail_msg("%s: got \"%s\", expected \"%s\"", word, got, expected);
}

static void notations_choose_a_sense(void **state)
{
    (void)state;
    at_wordnet *w = open_own(NULL);
    check(w, "bird", "bird#1 o");
    check(w, "dog", "dog#1 f");
    check(w, "dog#2", "dog#2 g");
    check(w, "dog.n.02", "dog#2 g");
    check(w, "crane#1", "crane#1 g");
    check(w, "Crane (bird)", "crane#3 g");
    check(w, "cranes (birds)", "crane#3 g");
    check(w, "crane (wading bird)", "crane#3 g");
    check(w, "crane (harbours)", "crane#2 g"); // no kind, but the gloss says so
    check(w, "crane.v.01", "crane.v.01 g");
    check(w, "ride.v.01", "ride.v.01 g");
    check(w, "brown.s.01", "brown#1 g");
    check(w, "  fire   hydrant ", "fire hydrant#1 o");
    static const char senses[] = "it has crane#1 (a writer who never was), crane#2 (a tall machine";
    static const char *const none[] = {"crane#4", "crane#0", "crane.v.02", "crane.r.01",
                                       "crane (fish)"};
    for (size_t i = 0; i < AT_COUNT(none); i++) {
        char expected[300];
        (void)snprintf(expected, sizeof expected,
                       "unknown-tag: \"%s\": the word has no such sense; %s", none[i], senses);
        check(w, none[i], expected);
    }
    check(w, "unicorn", "not-found: \"unicorn\" is not in WordNet");
    check(w, "#2", "not-found: ");
    check(w, "(bird)", "not-found: ");
    check(w, "", "invalid-text: ");
    check(w, "do\xffg", "invalid-text: a word is not UTF-8 (byte 2 of it)");
    char longer[10001];
    memset(longer, 'a', 10000);
    longer[10000] = 0;
    check(w, longer, "invalid-text: \"aaa");
    at_wordnet_close(w);
}

static void a_name_is_not_the_first_choice(void **state)
{
    (void)state;
    at_wordnet *w = open_own("/dev/null");
    at_sense *s;
    at_error err = {0};
    // crane#1 is a person (an instance of writer); the library's table is for the real dictionary, and
    // what it says of cranes (crane#4) is not there: the first common sense then
    assert_int_equal(at_sense_find(w, "crane", &s, &err), AT_OK);
    assert_string_equal(at_sense_key(s), "crane#2");
    assert_int_equal(at_sense_others(s), 3);
    const char *definition;
    assert_string_equal(at_sense_other(s, 0, &definition), "crane#1");
    assert_string_equal(definition, "a writer who never was");
    assert_string_equal(at_sense_other(s, 2, &definition), "crane.v.01");
    at_sense_free(s);
    at_wordnet_close(w);
}

static void words_are_found_in_any_form(void **state)
{
    (void)state;
    at_wordnet *w = open_own(NULL);
    check(w, "Dogs", "dog#1");
    check(w, "WOLVES", "wolf#1");
    check(w, "snow geese", "snow goose#1");
    check(w, "snow-geese", "snow goose#1");
    check(w, "t shirt", "t-shirt#1");
    check(w, "T-Shirts", "t-shirt#1");
    check(w, "tee-shirts", "tee shirt#1");
    check(w, "glasses", "glass#1");
    check(w, "glass", "glass#1"); // and not a plural of glas
    check(w, "moving", "move#1"); // of the verb: there is no such noun
    check(w, "rode", "ride.v.01");
    check(w, "sitting", "not-found"); // doubled letters are the exceptions' work
    check(w, "stretching out", "stretch out#1");
    check(w, "stretches_out", "stretch out#1");
    check(w, "Canis familiaris", "canis familiaris#1");
    check(w, "golden retriever puppies", "puppy#1 o of puppy");
    check(w, "quickly", "quickly#1");
    at_wordnet_close(w);
}

static void list(char *out, size_t size, const at_sense *s, size_t n,
                 const char *(*get)(const at_sense *, size_t))
{
    out[0] = 0;
    for (size_t i = 0; i < n; i++)
        (void)snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? ", " : "", get(s, i));
}

static void kinds_and_synonyms_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *word, *parents, *aliases, *group;
    } rows[] = {
        {"dog", "canine, pet, animal, organism", "domestic dog, Canis familiaris", "animal"},
        {"canis familiaris", "canine, pet, animal, organism", "dog, domestic dog", "animal"},
        {"animal", "organism", "beast", ""},
        {"crane (bird)", "wading bird, bird, animal, organism", "", "animal"},
        {"crane#1", "writer, person, organism", "Ada Crane", "person"},
        {"soup", "food", "", "food"},
        {"big dog", "dog, canine, pet, animal, organism", "", "animal"},
        {"entity", "", "", ""},
        {"ouroboros", "circle", "", ""}, // a kind of itself, by mistake
        {"brown", "coloured", "", ""},
    };
    at_wordnet *w = open_own(NULL);
    for (size_t i = 0; i < AT_COUNT(rows); i++) {
        at_sense *s;
        at_error err = {0};
        char text[500];
        assert_int_equal(at_sense_find(w, rows[i].word, &s, &err), AT_OK);
        list(text, sizeof text, s, at_sense_parents(s), at_sense_parent);
        assert_string_equal(text, rows[i].parents);
        list(text, sizeof text, s, at_sense_aliases(s), at_sense_alias);
        assert_string_equal(text, rows[i].aliases);
        assert_string_equal(at_sense_group(s), rows[i].group);
        at_sense_free(s);
    }
    at_sense *s;
    at_error err = {0};
    assert_int_equal(at_sense_find(w, "bird", &s, &err), AT_OK);
    assert_string_equal(at_sense_definition(s), "an animal with feathers that lays eggs");
    at_sense_free(s);
    at_wordnet_close(w);
}

static int is_a(const at_wordnet *w, const char *word, const char *group)
{
    at_sense *s, *g;
    at_error err = {0};
    assert_int_equal(at_sense_find(w, word, &s, &err), AT_OK);
    assert_int_equal(at_sense_find(w, group, &g, &err), AT_OK);
    const int is = at_sense_is_a(s, g);
    at_sense_free(s);
    at_sense_free(g);
    return is;
}

static void groups_hold_what_is_a_kind_of_them(void **state)
{
    (void)state;
    at_wordnet *w = open_own(NULL);
    assert_true(is_a(w, "dog", "animal") && is_a(w, "puppies", "dogs") && is_a(w, "dog", "dog"));
    assert_false(is_a(w, "animal", "dog") || is_a(w, "apple", "animal"));
    // food has two senses here, and nobody said which
    assert_true(is_a(w, "apple", "food") && is_a(w, "soup", "food"));
    assert_false(is_a(w, "apple", "food#1"));
    assert_true(is_a(w, "apple", "food#2"));
    at_wordnet_close(w);
}

static void write_senses(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void users_choose_senses_in_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/anytag-senses-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    write_senses(path,
                 "# mine\n\nDog\tdog#2\nfire hydrant\t-\nmouse\tcomputer mouse\ncrane\tcrane#1\n"
                 "crane\tcrane (bird)\nsoup\tunicorn\nsand\tsand#7\nrobot\t<machine\n");
    at_wordnet *w = open_own(path);
    check(w, "dog", "dog#2 t");
    check(w, "dog#1", "dog#1 g"); // what is written out goes before
    check(w, "fire_hydrant", "not-found: ");
    check(w, "mouse", "computer mouse#1 t");
    check(w, "crane", "crane#3 t"); // the last line
    check(w, "soup", "unknown-tag: the file of senses says \"unicorn\"");
    check(w, "sand", "unknown-tag: ");
    check(w, "robots", "not-found: "); // the file is read to the letter
    check(w, "Robot", "machine#1 t of machine");
    at_wordnet_close(w);
    static const char *const bad[] = {"dog#2\n", "\tdog\n", "dog\t\n", "dog dog#2\n"};
    for (size_t i = 0; i < AT_COUNT(bad); i++) {
        write_senses(path, bad[i]);
        const at_wordnet_options o = {
            .struct_size = sizeof o, .dir = "tests/wordnet", .senses = path};
        at_error err = {0};
        assert_int_equal(at_wordnet_open(&o, &w, &err), AT_E_INVALID_PARAMETER);
        assert_non_null(strstr(err.text, ":1: expected WORD TAB SENSE"));
    }
    (void)unlink(path);
}

static void an_absent_dictionary_names_the_package(void **state)
{
    (void)state;
    at_wordnet *w;
    at_error err = {0};
    const at_wordnet_options o = {.struct_size = sizeof o, .dir = "/nonexistent"};
    assert_int_equal(at_wordnet_open(&o, &w, &err), AT_E_MODEL_NOT_FOUND);
    assert_non_null(strstr(err.text, "there is no WordNet in /nonexistent"));
    assert_non_null(strstr(err.text, "wordnet-base"));
}

/* --- damage ------------------------------------------------------------------------------------------- */

static at_map read_map(const char *name)
{
    char path[200], *data;
    size_t size;
    at_error err = {0};
    (void)snprintf(path, sizeof path, "tests/wordnet/%s", name);
    assert_int_equal(at_file_read(path, 1 << 20, &data, &size, NULL, &err), AT_OK);
    return (at_map){.data = (uint8_t *)data, .size = size};
}

/* Every word asked for; each answer is a sense or one sentence. */
static size_t ask(const at_wordnet *w)
{
    static const char *const words[] = {"dog",   "crane (bird)", "wolves",    "geese",
                                        "apple", "ouroboros",    "ride.v.01", "fire hydrants"};
    size_t bad = 0;
    for (size_t i = 0; i < AT_COUNT(words); i++) {
        at_sense *s = NULL;
        at_error err = {0};
        const at_status status = at_sense_find(w, words[i], &s, &err);
        assert_true((status == AT_OK) == (s != NULL));
        assert_true(status == AT_OK || status == AT_E_MODEL_DAMAGED || status == AT_E_NOT_FOUND ||
                    status == AT_E_UNKNOWN_TAG);
        if (status == AT_E_MODEL_DAMAGED) {
            bad++;
            assert_non_null(strstr(err.text, "WordNet is damaged: "));
        }
        at_sense_free(s);
    }
    return bad;
}

/* The file is a copy on the heap of exactly its size: a sanitizer sees one byte too far. */
static void with_bytes(at_wordnet *w, at_map *map, const uint8_t *data, size_t size, size_t *bad)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    const at_map was = *map;
    *map = (at_map){.data = copy, .size = size};
    *bad += ask(w);
    *map = was;
    free(copy);
}

static void damage_is_an_error(void **state)
{
    (void)state;
    at_wordnet w = {0};
    struct at_wn_part *noun = &w.parts[AT_WN_NOUN], *verb = &w.parts[AT_WN_VERB];
    noun->index = read_map("index.noun");
    noun->data = read_map("data.noun");
    noun->exceptions = read_map("noun.exc");
    verb->index = read_map("index.verb");
    verb->data = read_map("data.verb");
    at_map *const maps[] = {&noun->index, &noun->data, &noun->exceptions, &verb->index,
                            &verb->data};
    assert_int_equal(ask(&w), 0);
    size_t bad = 0;
    for (size_t m = 0; m < AT_COUNT(maps); m++) {
        uint8_t *data = malloc(maps[m]->size);
        assert_non_null(data);
        memcpy(data, maps[m]->data, maps[m]->size);
        for (size_t i = 0; i < maps[m]->size; i++) {
            static const uint8_t change[] = {0, ' ', '\n', '9', 'f', '|', 0xff};
            const uint8_t was = data[i];
            data[i] = change[i % AT_COUNT(change)];
            with_bytes(&w, maps[m], data, maps[m]->size, &bad);
            data[i] = was;
            with_bytes(&w, maps[m], data, i, &bad); // cut off here
        }
        free(data);
    }
    assert_true(bad > 1000);
    for (size_t m = 0; m < AT_COUNT(maps); m++)
        at_free(NULL, (void *)(uintptr_t)maps[m]->data);
}

/* --- the installed one --------------------------------------------------------------------------------- */

static at_wordnet *open_real(void)
{
    at_wordnet *w;
    at_error err = {0};
    if (at_wordnet_open(NULL, &w, &err) == AT_OK) return w;
    print_message("skipped: %s\n", err.text);
    skip();
    return NULL;
}

static void the_installed_dictionary_is_read(void **state)
{
    (void)state;
    at_wordnet *w = open_real();
    check(w, "crane (bird)", "crane#5 g");
    check(w, "mouse (computer)", "mouse#4 g");
    check(w, "jet engines", "jet engine#1 o");
    check(w, "geese", "goose#1");
    check(w, "aides-de-camp", "aide-de-camp#1"); // an exception of several words
    assert_true(is_a(w, "greyhound", "animal") && is_a(w, "greyhound", "dog"));
    assert_true(is_a(w, "banana", "fruit") && is_a(w, "taxi", "vehicle"));
    assert_false(is_a(w, "hot dog", "animal"));
    at_sense *s;
    at_error err = {0};
    assert_int_equal(at_sense_find(w, "break", &s, &err), AT_OK);
    assert_int_equal(at_sense_others(s), 16 + 59 - 1); // the word with the most senses
    at_sense_free(s);
    at_wordnet_close(w);
}

static void the_table_of_senses_fits_the_installed_dictionary(void **state)
{
    (void)state;
    at_wordnet *w = open_real();
    const char *word, *sense, *before = "";
    size_t n = 0;
    for (; at_wn_usual_row(n, &word, &sense); n++) {
        if (strcmp(before, word) >= 0) fail_msg("\"%s\" is not in order", word);
        before = word;
        at_sense *a, *b;
        at_error err = {0};
        if (strcmp(sense, "-") == 0) {
            assert_int_equal(at_sense_find(w, word, &a, &err), AT_E_NOT_FOUND);
            continue;
        }
        if (at_sense_find(w, sense + (*sense == '<'), &a, &err) != AT_OK)
            fail_msg("%s: %s", word, err.text);
        if (at_sense_find(w, word, &b, &err) != AT_OK) fail_msg("%s: %s", word, err.text);
        if (at_sense_chosen(b) != AT_SENSE_TABLE) fail_msg("%s: %s is not used", word, sense);
        assert_true(at_sense_synset(a) == at_sense_synset(b));
        at_sense_free(a);
        at_sense_free(b);
    }
    assert_true(n > 0);
    at_wordnet_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notations_choose_a_sense),
        cmocka_unit_test(a_name_is_not_the_first_choice),
        cmocka_unit_test(words_are_found_in_any_form),
        cmocka_unit_test(kinds_and_synonyms_are_told),
        cmocka_unit_test(groups_hold_what_is_a_kind_of_them),
        cmocka_unit_test(users_choose_senses_in_a_file),
        cmocka_unit_test(an_absent_dictionary_names_the_package),
        cmocka_unit_test(damage_is_an_error),
        cmocka_unit_test(the_installed_dictionary_is_read),
        cmocka_unit_test(the_table_of_senses_fits_the_installed_dictionary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
