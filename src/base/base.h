/* base.h - what any C program needs: errors, memory, checked sizes. Nothing of images or models. */
#ifndef AT_BASE_BASE_H
#define AT_BASE_BASE_H

#include "anytag/base.h"

#include <stdbool.h>
#include <stdint.h>

#define AT_ALIGN 64 // of every buffer for kernels
#define AT_SLACK 64 // bytes past its end that a kernel may load and must not store

#define AT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define AT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fills `err` (may be NULL) and returns `status`, so that `return at_fail(...)` reads well. */
at_status at_fail(at_error *err, at_status status, const char *format, ...) AT_PRINTF(3, 4);
/* Puts "<prefix>: " before the text that a lower floor has written; returns err's status. */
at_status at_fail_prefix(at_error *err, at_status status, const char *prefix);
/* The status that belongs to an errno of open/read: ENOENT not-found, ENOMEM out-of-memory ... */
at_status at_status_of_errno(int error_number);

/* Reads a public option struct (NULL: all defaults) into `mine`, of `size` bytes: fields that the
 * caller's struct_size does not reach are 0, fields that this library does not know must be 0.
 * AT_E_INVALID_PARAMETER otherwise, or if struct_size was not set. */
at_status at_options_copy(void *mine, size_t size, const void *theirs, const char *type,
                          at_error *err);
#define AT_OPTIONS(type, mine, theirs, err) \
    at_options_copy((mine), sizeof *(mine), (theirs), #type, (err))

/* a + b, a * b; false on overflow, then *out is unchanged. */
static inline bool at_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline bool at_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline size_t at_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline size_t at_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}
static inline size_t at_round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Memory through the caller's allocator; `al` NULL is malloc and free. at_alloc gives AT_ALIGN
 * aligned bytes with AT_SLACK readable ones behind, uninitialised; at_calloc zeroes n * size bytes
 * and checks the product. NULL when there is none. */
void *at_alloc(const at_allocator *al, size_t size);
void *at_calloc(const at_allocator *al, size_t n, size_t size);
/* Grows or shrinks by alloc, copy, release: old_size bytes are kept. NULL leaves `ptr` as it was. */
void *at_realloc(const at_allocator *al, void *ptr, size_t old_size, size_t new_size);
void at_free(const at_allocator *al, void *ptr);
char *at_strndup(const at_allocator *al, const char *text, size_t len);
#define at_new(al, type) ((type *)at_calloc((al), 1, sizeof(type)))

#endif
