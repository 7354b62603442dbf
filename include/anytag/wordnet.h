/* anytag/wordnet.h - what a word means: senses, parents, synonyms and descriptions of tags, from WordNet.
 *
 *     at_wordnet *wordnet = NULL;
 *     at_sense *crane = NULL;
 *     at_wordnet_open(NULL, &wordnet, &err);
 *     at_sense_find(wordnet, "crane (bird)", &crane, &err);
 *     printf("%s: %s\n", at_sense_key(crane), at_sense_definition(crane));
 *
 * The dictionary is read where it is installed (Debian: wordnet-base, WordNet 3.0). A word is looked up
 * as a noun, then as a verb, an adjective, an adverb; small letters, plurals, hyphens and blanks do not
 * matter. Of several senses one is chosen by the word's notation:
 *     crane#2         the second sense of its first part of speech
 *     crane.n.02      the second sense as a noun (v verb, a adjective, r adverb)
 *     crane (bird)    the first sense that is a kind of bird, or whose gloss says so
 *     crane           as the user's own table says, or the library's; else the first sense that is no
 *                     single person or place by name
 * Words of which the dictionary has only the end (golden retriever puppy) mean that. */
#ifndef ANYTAG_WORDNET_H
#define ANYTAG_WORDNET_H

#include "anytag/labels.h"

AT_C_BEGIN

typedef struct at_wordnet at_wordnet; /* safe from any number of threads */

typedef struct at_wordnet_options {
    size_t struct_size; /* sizeof(at_wordnet_options) */
    const char *dir;    /* NULL: AT_WORDNET_DIR */
    /* A file of the user's own choices, WORD TAB SENSE a line; SENSE is a notation as above, <NOTATION
     * where the word is a kind of that, or - where it has none. NULL: none. */
    const char *senses;
} at_wordnet_options;

#define AT_WORDNET_DIR "/usr/share/wordnet"

/* options borrow; wordnet returns, at_wordnet_close().
 * AT_E_MODEL_NOT_FOUND names the package to install; AT_E_MODEL_DAMAGED; AT_E_INVALID_PARAMETER and
 * AT_E_NOT_FOUND of the file of senses; AT_E_OUT_OF_MEMORY. */
AT_API at_status at_wordnet_open(const at_wordnet_options *options, at_wordnet **wordnet,
                                 at_error *err);
AT_API void at_wordnet_close(at_wordnet *wordnet); /* NULL is fine */

/* One word in one of its senses. It holds its own text, the dictionary may be closed before. */
typedef struct at_sense at_sense;

/* wordnet, word borrow; sense returns, at_sense_free().
 * AT_E_NOT_FOUND the dictionary has no such word; AT_E_UNKNOWN_TAG it has, but not the sense asked
 * for: the text lists the senses; AT_E_MODEL_DAMAGED, AT_E_INVALID_TEXT, AT_E_OUT_OF_MEMORY. */
AT_API at_status at_sense_find(const at_wordnet *wordnet, const char *word, at_sense **sense,
                               at_error *err);
AT_API void at_sense_free(at_sense *sense); /* NULL is fine */

typedef enum at_sense_how {
    AT_SENSE_ONLY = 0,  /* the word has one sense */
    AT_SENSE_FIRST = 1, /* nobody said which: the most frequent one */
    AT_SENSE_GIVEN = 2, /* by its notation */
    AT_SENSE_TABLE = 3  /* by the user's table or the library's */
} at_sense_how;

/* Facts; strings live as long as the sense. */
AT_API const char *at_sense_word(const at_sense *sense); /* without notation: "crane" */
AT_API const char *at_sense_key(const at_sense *sense);  /* "crane#5" */
AT_API at_sense_how at_sense_chosen(const at_sense *sense);
AT_API const char *at_sense_definition(const at_sense *sense);
/* The nearest word that the dictionary has ("puppy") for one that it has not; NULL: it has it. */
AT_API const char *at_sense_head(const at_sense *sense);
/* What it is a kind of, nearest first, without what all things are ("canine", ..., "animal"). */
AT_API size_t at_sense_parents(const at_sense *sense);
AT_API const char *at_sense_parent(const at_sense *sense, size_t i);
/* Other words for it. */
AT_API size_t at_sense_aliases(const at_sense *sense);
AT_API const char *at_sense_alias(const at_sense *sense, size_t i);
/* The other senses of the word: "crane#1", and what it means. */
AT_API size_t at_sense_others(const at_sense *sense);
AT_API const char *at_sense_other(const at_sense *sense, size_t i, const char **definition);
/* The nearest everyday heading ("animal", "food", "vehicle", ...), or "". */
AT_API const char *at_sense_group(const at_sense *sense);
/* 1: `sense` is `group` or a kind of it. Where nobody chose the sense of `group`, any of them counts. */
AT_API int at_sense_is_a(const at_sense *sense, const at_sense *group);

/* 1: the word gives its sense by a number (crane#2, crane.n.02). Needs no dictionary. */
AT_API int at_sense_is_marked(const char *word);

typedef struct at_describe_options {
    size_t struct_size; /* sizeof(at_describe_options) */
    size_t count;       /* sentences of a label, at most AT_LABEL_ROWS_MOST; 0: 51, as official */
    int templates_only; /* 1: sentences around the name alone; then wordnet may be NULL */
    int marked_only;    /* 1: labels with a sense in their name (crane#2, crane.n.02) alone */
} at_describe_options;

/* Labels with descriptions made of what the dictionary says of them: definitions, kinds, parts,
 * synonyms, in plain sentences; always the same ones, as many for each label. Labels that have
 * descriptions keep them. A label that the dictionary has not gets sentences around its name. A
 * notation leaves the name unless two labels would get the same.
 *   wordnet, list, options  borrow     described  returns, at_label_list_free()
 * AT_E_INVALID_PARAMETER, and what at_sense_find() says of a label. */
AT_API at_status at_label_list_describe(const at_wordnet *wordnet, const at_label_list *list,
                                        const at_describe_options *options,
                                        at_label_list **described, at_error *err);

AT_C_END
#endif
