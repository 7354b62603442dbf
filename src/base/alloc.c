/* alloc.c - memory through the caller's allocator, aligned and padded for the kernels. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 }; // bytes; of x86-64 and most of arm64

/* Weights and activations are walked in rows that lie pages apart: with small pages a product spends a
 * tenth of its time on the table of addresses. Only a wish, for whole pages of the block. */
static void ask_for_huge_pages(void *data, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t begin = at_round_up((uintptr_t)data, HUGE_PAGE);
    const uintptr_t end = ((uintptr_t)data + bytes) / HUGE_PAGE * HUGE_PAGE;
    if (begin < end) madvise((char *)data + (begin - (uintptr_t)data), end - begin, MADV_HUGEPAGE);
#else
    (void)data;
    (void)bytes;
#endif
}

void *at_alloc(const at_allocator *al, size_t size)
{
    size_t padded;
    if (!at_add(size, AT_SLACK + AT_ALIGN - 1, &padded)) return NULL;
    padded &= ~(size_t)(AT_ALIGN - 1); // aligned_alloc wants a multiple of the alignment
    void *data = al && al->alloc ? al->alloc(al->user, padded, AT_ALIGN)
                                 : aligned_alloc(AT_ALIGN, padded);
    if (data) ask_for_huge_pages(data, padded);
    return data;
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
