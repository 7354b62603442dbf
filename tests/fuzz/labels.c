/* labels.c - fuzz target of what people give as labels: any bytes are a set, a list, or one sentence. */
#include "runtime/labels.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink; // so that the reads stay

static void read_text(const char *text, size_t most)
{
    const size_t n = text ? strlen(text) : 0;
    if (n > most) abort();
    for (size_t i = 0; i < n; i++)
        sink ^= (uint8_t)text[i];
}

static void check_error(at_status status, const at_error *err, const void *made)
{
    const size_t n = strlen(err->text);
    if (made || err->status != status || !n || strchr(err->text, '\n')) abort();
    if (at_utf8_valid(err->text, n) != n) abort();
    if (status != AT_E_INVALID_PARAMETER && status != AT_E_INVALID_TEXT &&
        status != AT_E_MODEL_DAMAGED && status != AT_E_MODEL_UNSUPPORTED &&
        status != AT_E_UNSAFE_PICKLE)
        abort();
}

static void check_list(at_status status, at_label_list *list, const at_error *err)
{
    if (status != AT_OK) {
        check_error(status, err, list);
        return;
    }
    const at_label *l = at_label_list_labels(list);
    for (size_t i = 0; i < at_label_list_count(list); i++) {
        if (!l[i].name) abort();
        read_text(l[i].name, SIZE_MAX);
        read_text(l[i].name_zh, SIZE_MAX);
        for (size_t k = 0; k < l[i].n_descriptions; k++)
            read_text(l[i].descriptions[k], SIZE_MAX);
    }
    at_error names = {0}; // what a list becomes a set by
    const at_status good = at_labels_check_names(l, at_label_list_count(list), NULL, &names);
    if (good != AT_OK) check_error(good, &names, NULL);
    at_label_list_free(list);
}

static void check_set(at_status status, at_labels *set, const at_error *err)
{
    if (status != AT_OK) {
        check_error(status, err, set);
        return;
    }
    for (size_t i = 0; i < at_labels_count(set); i++) {
        const float t = at_labels_threshold(set, i);
        read_text(at_labels_name(set, i, "en"), AT_LABEL_NAME_MOST);
        read_text(at_labels_name(set, i, "zh"), AT_LABEL_NAME_MOST);
        if (!(t > 0 && t <= 1) || at_labels_rows(set, i) < 1) abort();
    }
    read_text(at_labels_model(set), SIZE_MAX);
    read_text(at_labels_encoder(set), SIZE_MAX);
    at_labels_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1; // in memory
    static char path[64];
    if (file < 0) {
        file = memfd_create("labels", 0);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    at_error err = {0};
    at_labels *set = NULL;
    at_status status = at_labels_open(path, NULL, &set, &err);
    check_set(status, set, &err);
    at_label_list *list = NULL;
    status = at_label_list_read(path, &list, &err);
    check_list(status, list, &err);
    char *words = malloc(size + 1);
    if (!words) return 0;
    if (size) memcpy(words, data, size);
    words[size] = 0;
    list = NULL;
    status = at_label_list_parse(words, &list, &err);
    check_list(status, list, &err);
    free(words);
    return 0;
}
