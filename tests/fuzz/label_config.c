/* label_config: labelling configurations of Label Studio. What is read is whole, and a second time the same. */
#include "serve/label_config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_text(const char *a, const char *b)
{
    if (!a != !b || (a && strcmp(a, b) != 0)) abort();
}

static void check_control(const label_control *a, const label_control *b)
{
    if (!a != !b) abort();
    if (!a) return;
    if (!a->from || !a->to || a->n_choices != b->n_choices || a->least < -1 || a->least > 1)
        abort();
    for (size_t i = 0; i < a->n_choices; i++) {
        const label_choice *x = &a->choices[i];
        same_text(x->value, b->choices[i].value);
        same_text(label_choice_said(x), label_choice_said(&b->choices[i]));
        if (!x->value || x->parent >= (long)i || x->parent < -1) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[100] = "";
    label_config a, b;
    const bool read = label_config_read((const char *)data, size, &a, why, sizeof why);
    if (label_config_read((const char *)data, size, &b, why, sizeof why) != read) abort();
    if (!read && (!why[0] || a.parts || a.key)) abort();
    for (int k = 0; k < CONTROLS; k++)
        check_control(a.control[k], b.control[k]);
    same_text(a.key, b.key);
    label_config_free(&a);
    label_config_free(&b);
    return 0;
}
