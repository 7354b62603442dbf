/* list.c - the networks of the family. A new one is a file, a line in network.h's list and here. */
#include "models/networks.h"

#include <string.h>

static const at_network_type *const types[] = {&at_network_ram,
                                               &at_network_ram_plus,
                                               &at_network_tag2text,
                                               &at_network_ram_lite,
                                               &at_network_bert_sentence,
                                               &at_network_clip_text,
                                               NULL};

const at_network_type *const *at_network_types(void)
{
    return types;
}

const at_network_type *at_network_type_find(const char *arch)
{
    for (size_t i = 0; types[i]; i++) {
        if (strcmp(types[i]->arch, arch) == 0) return types[i];
    }
    return NULL;
}

at_status at_network_open(at_network **out, const at_config *c, const at_backend *backend,
                          const at_allocator *al, at_error *err)
{
    *out = NULL;
    const at_network_type *type = at_network_type_find(c->arch);
    if (!type)
        return at_fail(
            err, AT_E_MODEL_UNSUPPORTED,
            "architecture \"%s\" is not one this version knows (ram, ram_plus, tag2text, "
            "ram_lite, bert_sentence, clip_text)",
            c->arch);
    at_network *n = at_calloc(al, 1, type->size);
    if (!n) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the model");
    n->type = type;
    n->config = *c;
    n->backend = backend;
    n->al = al;
    const at_status status = type->open(n, err);
    if (status != AT_OK) {
        at_network_close(n);
        return status;
    }
    *out = n;
    return AT_OK;
}

void at_network_params(at_network *n, at_params *p)
{
    n->type->params(n, p);
    p->texts = true;
    if (n->type->text_params) n->type->text_params(n, p);
    p->texts = false;
}

void at_network_logits(at_exec *x, const at_tag_head *head, const at_label_choice *labels,
                       at_tensor tokens, float *logits)
{
    at_head_memory memory;
    at_tag_head_memory(x, head, tokens, &memory);
    for (size_t b = 0; b < tokens.dims[0]; b++) {
        float *to = logits ? logits + b * labels->count : NULL;
        for (size_t k = 0; k < labels->n_parts; k++) {
            at_tag_head_forward(x, head, &labels->parts[k].queries, &memory, b, to);
            if (to) to += labels->parts[k].count;
        }
    }
}

void at_network_heat(at_exec *x, const at_tag_head *head, const at_label_choice *labels,
                     at_tensor tokens, size_t side, float *maps)
{
    at_head_memory memory;
    at_tag_head_memory(x, head, tokens, &memory);
    for (size_t k = 0; k < labels->n_parts; k++) {
        at_tag_head_heat(x, head, &labels->parts[k].queries, &memory, side, maps);
        if (maps) maps += labels->parts[k].count * side * side;
    }
}

void at_network_close(at_network *n)
{
    if (!n) return;
    n->type->close(n);
    at_free(n->al, n);
}
