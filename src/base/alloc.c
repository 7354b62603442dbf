/* alloc.c - memory through the caller's allocator, aligned and padded for the kernels. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

void *at_alloc(const at_allocator *al, size_t size)
{
    size_t padded;
    if (!at_add(size, AT_SLACK + AT_ALIGN - 1, &padded)) return NULL;
    padded &= ~(size_t)(AT_ALIGN - 1); // aligned_alloc wants a multiple of the alignment
    if (al && al->alloc) return al->alloc(al->user, padded, AT_ALIGN);
    return aligned_alloc(AT_ALIGN, padded);
}

void *at_calloc(const at_allocator *al, size_t n, size_t size)
{
    size_t bytes;
    if (!at_mul(n, size, &bytes)) return NULL;
    void *ptr = at_alloc(al, bytes);
    if (ptr) memset(ptr, 0, bytes);
    return ptr;
}

void *at_realloc(const at_allocator *al, void *ptr, size_t old_size, size_t new_size)
{
    void *next = at_alloc(al, new_size);
    if (!next) return NULL;
    if (ptr) memcpy(next, ptr, at_min_size(old_size, new_size));
    at_free(al, ptr);
    return next;
}

void at_free(const at_allocator *al, void *ptr)
{
    if (!ptr) return;
    if (al && al->release)
        al->release(al->user, ptr);
    else
        free(ptr);
}

char *at_strndup(const at_allocator *al, const char *text, size_t len)
{
    char *copy = at_calloc(al, len + 1, 1);
    if (copy && len) memcpy(copy, text, len);
    return copy;
}
