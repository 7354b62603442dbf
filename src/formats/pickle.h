/* pickle.h - reads a pickle as data. Nothing is imported, called or made: a value is a node, a call of
 * a known rebuilding function becomes a tensor node, a call of a known harmless one an opaque node,
 * and any other name is an error. */
#ifndef AT_FORMATS_PICKLE_H
#define AT_FORMATS_PICKLE_H

#include "formats/weights_file.h"

typedef enum at_node_kind {
    AT_NODE_NONE,
    AT_NODE_BOOL,
    AT_NODE_INT,
    AT_NODE_FLOAT,
    AT_NODE_STRING,
    AT_NODE_LIST, // tuple, list, set: items
    AT_NODE_DICT, // items: key, value, key, value
    AT_NODE_GLOBAL,
    AT_NODE_STORAGE,
    AT_NODE_TENSOR,
    AT_NODE_OPAQUE,
    AT_NODE_MARK,
} at_node_kind;

typedef struct at_node at_node;
struct at_node {
    at_node_kind kind;
    union {
        int64_t i;
        double f;
        struct {
            const char *data; // not terminated
            size_t len;
        } s; // STRING; GLOBAL: "module name"
        struct {
            at_node **items;
            size_t n, cap;
            bool object; // a DICT that holds an object's attributes
        } list;
        struct {
            at_dtype type;
            const char *key; // of the member with its bytes
            size_t key_len;
            uint64_t elements;
            const at_node *before; // the storage met before this one
        } storage;
        struct {
            const at_node *storage;
            at_dtype type;   // usually the storage's
            uint64_t offset; // elements
            int n_dims;
            uint64_t dims[8], strides[8];
        } tensor;
    } v;
};

typedef struct at_pickle {
    const at_node *root;
    const at_node *last_storage; // newest first, along v.storage.before
    size_t used;                 // bytes up to and with STOP
} at_pickle;

/* Reads one pickle at the beginning of `data`; nodes are the file's memory. AT_E_UNSAFE_PICKLE names
 * what it wanted to call. */
at_status at_pickle_read(at_weights *w, const uint8_t *data, size_t size, at_pickle *out,
                         at_error *err);
/* pickle_names.c: "module name", NUL-terminated at len, is known as data. */
bool at_pickle_harmless(const char *name, size_t len);

#endif
