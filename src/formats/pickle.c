/* pickle.c - the machine of a pickle (CPython Lib/pickletools.py) with data instead of calls. Memory is
 * bounded by the pickle's own bytes: an opcode makes at most one node and one reference. */
#include "formats/pickle.h"

#include <stdio.h>
#include <string.h>

enum { MAX_MEMO = 1 << 24 };

typedef struct machine {
    at_weights *w;
    at_error *err;
    at_reader r;
    at_node **stack;
    size_t n, cap;
    at_node **memo;
    size_t memo_cap, memo_next;
    const at_node *last_storage;
    at_status status;
} machine;

static at_node *fail(machine *m, const char *why)
{
    if (m->status == AT_OK) m->status = at_weights_damaged(m->w, m->err, "its pickle %s", why);
    return NULL;
}

static at_node *node(machine *m, at_node_kind kind)
{
    at_node *n = m->status == AT_OK ? at_weights_alloc(m->w, sizeof *n) : NULL;
    if (!n) {
        if (m->status == AT_OK) m->status = at_weights_no_memory(m->w, m->err);
        return NULL;
    }
    *n = (at_node){.kind = kind};
    return n;
}

/* Twice the array, as the file's memory; the old one stays until the file is closed. */
static at_node **grown(machine *m, at_node **items, size_t n, size_t *cap)
{
    const size_t wanted = *cap ? 2 * *cap : 16;
    at_node **more = at_weights_alloc(m->w, wanted * sizeof(at_node *));
    if (!more) {
        if (m->status == AT_OK) m->status = at_weights_no_memory(m->w, m->err);
        return NULL;
    }
    if (n) memcpy(more, items, n * sizeof(at_node *));
    *cap = wanted;
    return more;
}

static void push(machine *m, at_node *n)
{
    if (m->status != AT_OK || !n) return;
    if (m->n == m->cap) {
        at_node **more = grown(m, m->stack, m->n, &m->cap);
        if (!more) return;
        m->stack = more;
    }
    m->stack[m->n++] = n;
}

static at_node *pop(machine *m)
{
    if (m->status != AT_OK || m->n == 0 || m->stack[m->n - 1]->kind == AT_NODE_MARK)
        return fail(m, "takes more than it put");
    return m->stack[--m->n];
}

static at_node *top(machine *m)
{
    if (m->status != AT_OK || m->n == 0) return fail(m, "takes more than it put");
    return m->stack[m->n - 1];
}

static void list_add(machine *m, at_node *list, at_node *item)
{
    if (m->status != AT_OK || !list || !item) return;
    if (list->v.list.n == list->v.list.cap) {
        at_node **more = grown(m, list->v.list.items, list->v.list.n, &list->v.list.cap);
        if (!more) return;
        list->v.list.items = more;
    }
    list->v.list.items[list->v.list.n++] = item;
}

/* Index behind the topmost mark; the mark itself is taken away by cut(). */
static size_t mark(machine *m)
{
    for (size_t i = m->n; i-- > 0;) {
        if (m->stack[i]->kind == AT_NODE_MARK) return i + 1;
    }
    (void)fail(m, "has no mark where one is needed");
    return m->n;
}
static void cut(machine *m, size_t behind_mark)
{
    if (m->status == AT_OK) m->n = behind_mark - 1;
}

static at_node *tuple(machine *m, size_t count)
{
    at_node *t = node(m, AT_NODE_LIST);
    if (!t || m->n < count) return fail(m, "takes more than it put");
    for (size_t i = m->n - count; i < m->n; i++) {
        if (m->stack[i]->kind == AT_NODE_MARK) return fail(m, "takes more than it put");
        list_add(m, t, m->stack[i]);
    }
    m->n -= count;
    return t;
}

static at_node *string(machine *m, uint64_t len)
{
    const uint8_t *p = at_take(&m->r, len);
    at_node *n = node(m, AT_NODE_STRING);
    if (!p || !n) return fail(m, "ends inside a string");
    n->v.s.data = (const char *)p;
    n->v.s.len = (size_t)len;
    return n;
}

static at_node *integer(machine *m, int64_t v)
{
    at_node *n = node(m, AT_NODE_INT);
    if (n) n->v.i = v;
    return n;
}

static at_node *integer_bytes(machine *m, uint64_t len)
{
    const uint8_t *p = at_take(&m->r, len);
    if (!p) return fail(m, "ends inside a number");
    if (len > 8) return node(m, AT_NODE_OPAQUE); // larger than anything a tensor needs
    uint64_t v = len && (p[len - 1] & 0x80) ? UINT64_MAX : 0;
    for (uint64_t i = len; i-- > 0;)
        v = v << 8 | p[i];
    return integer(m, (int64_t)v);
}

static at_node *real(machine *m)
{
    const uint8_t *p = at_take(&m->r, 8);
    at_node *n = node(m, AT_NODE_FLOAT);
    if (!p || !n) return fail(m, "ends inside a number");
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i]; // big-endian, unlike the rest
    memcpy(&n->v.f, &bits, 8);
    return n;
}

/* --- names --------------------------------------------------------------------------------------------- */

static bool is_name(const at_node *g, const char *name)
{
    return g && g->kind == AT_NODE_GLOBAL && g->v.s.len == strlen(name) &&
           memcmp(g->v.s.data, name, g->v.s.len) == 0;
}

static at_node *global(machine *m, const char *module, size_t n_module, const char *name,
                       size_t n_name)
{
    char *text = at_weights_alloc(m->w, n_module + n_name + 2);
    at_node *g = node(m, AT_NODE_GLOBAL);
    if (!text || !g) {
        if (m->status == AT_OK) m->status = at_weights_no_memory(m->w, m->err);
        return NULL;
    }
    memcpy(text, module, n_module);
    text[n_module] = ' ';
    memcpy(text + n_module + 1, name, n_name);
    text[n_module + n_name + 1] = 0;
    g->v.s.data = text;
    g->v.s.len = n_module + n_name + 1;
    if (at_pickle_harmless(text, g->v.s.len)) return g;
    text[n_module] = '.';
    m->status = at_weights_fail(
        m->w, AT_E_UNSAFE_PICKLE, m->err,
        "its pickle wants %.200s, which no checkpoint needs; nothing of it was run, do not trust this file",
        text);
    return NULL;
}

static at_node *global_lines(machine *m)
{
    const char *parts[2];
    size_t lens[2];
    for (int i = 0; i < 2; i++) {
        const uint8_t *end = memchr(m->r.at, '\n', (size_t)(m->r.end - m->r.at));
        if (!end) return fail(m, "ends inside a name");
        parts[i] = (const char *)m->r.at;
        lens[i] = (size_t)(end - m->r.at);
        m->r.at = end + 1;
    }
    return global(m, parts[0], lens[0], parts[1], lens[1]);
}

/* --- tensors ------------------------------------------------------------------------------------------- */

static const struct storage_name {
    const char *name;
    at_dtype type;
} storages[] = {
    {"torch FloatStorage", AT_F32},
    {"torch DoubleStorage", AT_F64},
    {"torch HalfStorage", AT_F16},
    {"torch BFloat16Storage", AT_BF16},
    {"torch LongStorage", AT_I64},
    {"torch IntStorage", AT_I32},
    {"torch ShortStorage", AT_I16},
    {"torch CharStorage", AT_I8},
    {"torch ByteStorage", AT_U8},
    {"torch BoolStorage", AT_BOOL},
    {"torch.storage UntypedStorage", AT_U8},
};

static const at_node *item(const at_node *list, size_t i, at_node_kind kind)
{
    const at_node *n = list->kind == AT_NODE_LIST && i < list->v.list.n ? list->v.list.items[i]
                                                                        : NULL;
    return n && n->kind == kind ? n : NULL;
}

/* ('storage', <type>, key, location, elements) */
static at_node *persistent(machine *m, const at_node *id)
{
    const at_node *type = id ? item(id, 1, AT_NODE_GLOBAL) : NULL,
                  *key = id ? item(id, 2, AT_NODE_STRING) : NULL;
    const at_node *count = id ? item(id, 4, AT_NODE_INT) : NULL;
    at_node *s = node(m, AT_NODE_STORAGE);
    if (!s || !type || !key || !count || count->v.i < 0)
        return fail(m, "has a storage of no known form");
    for (size_t i = 0; i < AT_COUNT(storages); i++) {
        if (!is_name(type, storages[i].name)) continue;
        s->v.storage.type = storages[i].type;
        s->v.storage.key = key->v.s.data;
        s->v.storage.key_len = key->v.s.len;
        s->v.storage.elements = (uint64_t)count->v.i;
        s->v.storage.before = m->last_storage;
        m->last_storage = s;
        return item(id, 5, AT_NODE_LIST) ? node(m, AT_NODE_OPAQUE)
                                         : s; // a view of a storage: torch < 0.4
    }
    return node(m, AT_NODE_OPAQUE); // complex or quantised: not a weight
}

static bool sizes(const at_node *list, uint64_t out[8], int *n)
{
    if (!list || list->v.list.n > 8) return false;
    *n = (int)list->v.list.n;
    for (int i = 0; i < *n; i++) {
        const at_node *v = item(list, (size_t)i, AT_NODE_INT);
        if (!v || v->v.i < 0) return false;
        out[i] = (uint64_t)v->v.i;
    }
    return true;
}

static const struct dtype_name {
    const char *name;
    at_dtype type;
} dtypes[] = {{"torch float32", AT_F32}, {"torch float16", AT_F16}, {"torch bfloat16", AT_BF16},
              {"torch float64", AT_F64}, {"torch int64", AT_I64},   {"torch int32", AT_I32},
              {"torch int16", AT_I16},   {"torch int8", AT_I8},     {"torch uint8", AT_U8},
              {"torch bool", AT_BOOL}};

/* (storage, offset, size, stride, requires grad, hooks, and, in v3, dtype) */
static at_node *tensor(machine *m, const at_node *args, bool v3)
{
    const at_node *storage = item(args, 0, AT_NODE_STORAGE), *offset = item(args, 1, AT_NODE_INT);
    if (item(args, 0, AT_NODE_OPAQUE)) return node(m, AT_NODE_OPAQUE);
    at_node *t = node(m, AT_NODE_TENSOR);
    int n = 0, n_strides = -1;
    if (!t || !storage || !offset || offset->v.i < 0 ||
        !sizes(item(args, 2, AT_NODE_LIST), t->v.tensor.dims, &n) ||
        !sizes(item(args, 3, AT_NODE_LIST), t->v.tensor.strides, &n_strides) || n != n_strides)
        return fail(m, "has a tensor of no known form");
    t->v.tensor.storage = storage;
    t->v.tensor.offset = (uint64_t)offset->v.i;
    t->v.tensor.n_dims = n;
    t->v.tensor.type = storage->v.storage.type;
    if (!v3) return t;
    for (size_t i = 0; i < AT_COUNT(dtypes); i++) {
        if (!is_name(item(args, 6, AT_NODE_GLOBAL), dtypes[i].name)) continue;
        t->v.tensor.type = dtypes[i].type;
        return t;
    }
    return node(m, AT_NODE_OPAQUE); // unsigned wide or 8-bit float: not a weight
}

/* What a call would have made. Arguments are a tuple. */
static at_node *reduce(machine *m, const at_node *function, const at_node *args)
{
    if (!function || !args) return NULL;
    if (args->kind != AT_NODE_LIST) return fail(m, "calls something without arguments");
    if (is_name(
            function,
            "torch._tensor _rebuild_from_type_v2")) { // (function, class, its arguments, attributes)
        const at_node *inner = item(args, 0, AT_NODE_GLOBAL);
        args = item(args, 2, AT_NODE_LIST);
        if (!inner || !args) return node(m, AT_NODE_OPAQUE);
        function = inner;
    }
    if (is_name(function, "torch._utils _rebuild_tensor_v2") ||
        is_name(function, "torch._utils _rebuild_tensor"))
        return tensor(m, args, false);
    if (is_name(function, "torch._utils _rebuild_tensor_v3")) return tensor(m, args, true);
    if (is_name(function, "torch._utils _rebuild_parameter") ||
        is_name(function, "torch._utils _rebuild_parameter_with_state"))
        return args->v.list.n ? args->v.list.items[0] : fail(m, "has a parameter without its data");
    if (is_name(function, "collections OrderedDict")) {
        at_node *d = node(m, AT_NODE_DICT);
        const at_node *pairs = item(args, 0, AT_NODE_LIST);
        for (size_t i = 0; d && pairs && i < pairs->v.list.n; i++) {
            const at_node *pair = item(pairs, i, AT_NODE_LIST);
            if (!pair || pair->v.list.n != 2) return fail(m, "has a dictionary of no known form");
            list_add(m, d, pair->v.list.items[0]);
            list_add(m, d, pair->v.list.items[1]);
        }
        return d;
    }
    // an object of TorchScript: BUILD gives its attributes
    if (function->kind == AT_NODE_GLOBAL && strncmp(function->v.s.data, "__torch__", 9) == 0) {
        at_node *d = node(m, AT_NODE_DICT);
        if (d) d->v.list.object = true;
        return d;
    }
    if (is_name(function, "torch Size") && args->v.list.n == 1) return args->v.list.items[0];
    return node(m, AT_NODE_OPAQUE);
}

/* --- the machine ----------------------------------------------------------------------------------------- */

static void remember(machine *m, uint64_t at)
{
    at_node *n = top(m);
    if (!n) return;
    if (at > MAX_MEMO || at > (uint64_t)(m->r.end - m->r.at) + m->memo_next + 65536) {
        (void)fail(m, "remembers a value at an absurd place");
        return;
    }
    while (at >= m->memo_cap) {
        size_t cap = m->memo_cap;
        at_node **more = grown(m, m->memo, m->memo_cap, &cap);
        if (!more) return;
        memset(more + m->memo_cap, 0, (cap - m->memo_cap) * sizeof(at_node *));
        m->memo = more;
        m->memo_cap = cap;
    }
    m->memo[at] = n;
    if (at >= m->memo_next) m->memo_next = (size_t)at + 1;
}

static void recall(machine *m, uint64_t at)
{
    if (at >= m->memo_cap || !m->memo[at])
        (void)fail(m, "recalls what it never remembered");
    else
        push(m, m->memo[at]);
}

/* Items behind the mark go into the list or dictionary (or opaque object) before it. */
static void append_marked(machine *m, at_node_kind kind)
{
    const size_t from = mark(m);
    if (m->status != AT_OK) return;
    at_node *into = from >= 2 ? m->stack[from - 2] : NULL;
    if (!into || (into->kind != kind && into->kind != AT_NODE_OPAQUE) ||
        (kind == AT_NODE_DICT && (m->n - from) % 2)) {
        (void)fail(m, "puts items into what holds none");
        return;
    }
    for (size_t i = from; i < m->n && into->kind == kind; i++)
        list_add(m, into, m->stack[i]);
    cut(m, from);
}

static void append_one(machine *m, at_node_kind kind)
{
    at_node *value = pop(m), *key = kind == AT_NODE_DICT ? pop(m) : NULL, *into = top(m);
    if (!value || !into || (kind == AT_NODE_DICT && !key)) return;
    if (into->kind == AT_NODE_OPAQUE) return;
    if (into->kind != kind) {
        (void)fail(m, "puts items into what holds none");
        return;
    }
    if (key) list_add(m, into, key);
    list_add(m, into, value);
}

static void wrap_marked(machine *m, at_node_kind kind)
{
    const size_t from = mark(m);
    at_node *n = node(m, kind);
    if (m->status != AT_OK) return;
    if (kind == AT_NODE_DICT && (m->n - from) % 2) {
        (void)fail(m, "has a key without a value");
        return;
    }
    for (size_t i = from; i < m->n; i++)
        list_add(m, n, m->stack[i]);
    cut(m, from);
    push(m, n);
}

static void stack_global(machine *m)
{
    const at_node *name = pop(m), *module = pop(m);
    if (!name || !module) return;
    if (name->kind != AT_NODE_STRING || module->kind != AT_NODE_STRING)
        (void)fail(m, "names something by no string");
    else
        push(m, global(m, module->v.s.data, module->v.s.len, name->v.s.data, name->v.s.len));
}

static void boolean(machine *m, bool v)
{
    at_node *n = node(m, AT_NODE_BOOL);
    if (n) n->v.i = v;
    push(m, n);
}

/* BUILD: attributes of an object, which has none yet; a state_dict's _metadata and the like are passed by. */
static void build(machine *m)
{
    const at_node *state = pop(m);
    at_node *into = top(m);
    if (!state || !into || into->kind != AT_NODE_DICT || !into->v.list.object ||
        state->kind != AT_NODE_DICT || into->v.list.n)
        return;
    into->v.list = state->v.list;
    into->v.list.object = true;
}

static void call(machine *m, bool keyword)
{
    if (keyword) (void)pop(m); // NEWOBJ_EX: keywords make no tensor
    const at_node *args = pop(m), *function = pop(m);
    push(m, reduce(m, function, args));
}

/* One opcode; false at STOP. */
static bool step(machine *m)
{
    at_reader *r = &m->r;
    const int op = (int)at_take_le(r, 1);
    if (r->failed) return (void)fail(m, "has no end"), false;
    switch (op) {
    case '.': return false;
    case 0x80:
        if (at_take_le(r, 1) > 5) (void)fail(m, "has an unknown protocol");
        break;
    case 0x95: (void)at_take_le(r, 8); break; // FRAME
    case '(': push(m, node(m, AT_NODE_MARK)); break;
    case '0': (void)pop(m); break;
    case '1': cut(m, mark(m)); break;
    case '2': push(m, top(m)); break;
    case 'N': push(m, node(m, AT_NODE_NONE)); break;
    case 0x88: boolean(m, true); break;
    case 0x89: boolean(m, false); break;
    case 'K': push(m, integer(m, (int64_t)at_take_le(r, 1))); break;
    case 'M': push(m, integer(m, (int64_t)at_take_le(r, 2))); break;
    case 'J': push(m, integer(m, (int32_t)(uint32_t)at_take_le(r, 4))); break;
    case 0x8a: push(m, integer_bytes(m, at_take_le(r, 1))); break;
    case 0x8b: push(m, integer_bytes(m, at_take_le(r, 4))); break;
    case 'G': push(m, real(m)); break;
    case 'X':
    case 'T':
    case 'B': push(m, string(m, at_take_le(r, 4))); break;
    case 'U':
    case 'C':
    case 0x8c: push(m, string(m, at_take_le(r, 1))); break;
    case 0x8d:
    case 0x8e:
    case 0x96: push(m, string(m, at_take_le(r, 8))); break;
    case ')':
    case ']':
    case 0x8f: push(m, node(m, AT_NODE_LIST)); break;
    case '}': push(m, node(m, AT_NODE_DICT)); break;
    case 't':
    case 'l':
    case 0x91: wrap_marked(m, AT_NODE_LIST); break;
    case 'd': wrap_marked(m, AT_NODE_DICT); break;
    case 0x85: push(m, tuple(m, 1)); break;
    case 0x86: push(m, tuple(m, 2)); break;
    case 0x87: push(m, tuple(m, 3)); break;
    case 'a': append_one(m, AT_NODE_LIST); break;
    case 's': append_one(m, AT_NODE_DICT); break;
    case 'e':
    case 0x90: append_marked(m, AT_NODE_LIST); break;
    case 'u': append_marked(m, AT_NODE_DICT); break;
    case 'q': remember(m, at_take_le(r, 1)); break;
    case 'r': remember(m, at_take_le(r, 4)); break;
    case 0x94: remember(m, m->memo_next); break;
    case 'h': recall(m, at_take_le(r, 1)); break;
    case 'j': recall(m, at_take_le(r, 4)); break;
    case 'c': push(m, global_lines(m)); break;
    case 0x93: stack_global(m); break;
    case 'Q': push(m, persistent(m, pop(m))); break;
    case 'R':
    case 0x81: call(m, false); break;
    case 0x92: call(m, true); break;
    case 'b': build(m); break;
    default: {
        char why[64];
        (void)snprintf(why, sizeof why, "has the opcode 0x%02x, which no checkpoint has",
                       (unsigned)op);
        (void)fail(m, why);
    }
    }
    if (r->failed) (void)fail(m, "ends in the middle");
    return m->status == AT_OK;
}

at_status at_pickle_read(at_weights *w, const uint8_t *data, size_t size, at_pickle *out,
                         at_error *err)
{
    machine m = {.w = w, .err = err, .r = {.at = data, .end = data + size}};
    while (step(&m)) {}
    if (m.status == AT_OK && (m.n != 1 || m.stack[0]->kind == AT_NODE_MARK))
        (void)fail(&m, "does not end with one value");
    if (m.status == AT_OK)
        *out = (at_pickle){
            .root = m.stack[0], .last_storage = m.last_storage, .used = (size_t)(m.r.at - data)};
    return m.status;
}
