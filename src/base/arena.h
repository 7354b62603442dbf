/* arena.h - memory of one forward pass: bump, mark, rewind.
 *
 * Two lives. A *planning* arena has no memory: it hands out the same non-NULL address and only
 * counts, so that a forward pass run dry tells its need (`peak`). A *real* arena has `cap` bytes,
 * allocated once. */
#ifndef AT_BASE_ARENA_H
#define AT_BASE_ARENA_H

#include "base/base.h"

typedef struct at_arena {
    char *data; // NULL: planning
    size_t cap;
    size_t used;
    size_t peak;
} at_arena;

/* AT_ALIGN aligned, AT_SLACK readable bytes behind. NULL when a real arena is full. */
static inline void *at_arena_push(at_arena *a, size_t bytes)
{
    static _Alignas(AT_ALIGN) char nowhere[AT_ALIGN];
    size_t need;
    if (!at_add(bytes, AT_SLACK + AT_ALIGN - 1, &need)) return NULL;
    need &= ~(size_t)(AT_ALIGN - 1);
    if (a->data && need > a->cap - a->used) return NULL;
    char *p = a->data ? a->data + a->used : nowhere;
    if (!at_add(a->used, need, &a->used)) return NULL;
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

static inline size_t at_arena_mark(const at_arena *a)
{
    return a->used;
}
static inline void at_arena_rewind(at_arena *a, size_t mark)
{
    a->used = mark;
}

#endif
