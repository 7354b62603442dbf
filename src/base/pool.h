/* pool.h - a small thread pool: hands out indices of chunks, knows nothing of the work.
 *
 * Ours, because pthreadpool holds one lock over all callers and hangs when a thread cannot be made.
 * This one works, slower, with the threads that could be made, down to the caller alone. One caller
 * at a time; the caller works too. No lock is held while a chunk runs. */
#ifndef AT_BASE_POOL_H
#define AT_BASE_POOL_H

#include "base/base.h"

typedef struct at_pool at_pool;

/* Runs one chunk. `worker` in [0, at_pool_size()) tells whose scratch memory to use. */
typedef void (*at_pool_fn)(void *ctx, size_t chunk, int worker);

enum { AT_MAX_THREADS = 512 }; // each takes a stack and scratch memory

/* A pool of `threads` workers, the caller counted; < 1 means at_cpu_count(), more than AT_MAX_THREADS are
 * not made. */
at_status at_pool_open(at_pool **out, int threads, const at_allocator *al, at_error *err);
void at_pool_close(at_pool *pool);     // NULL is fine
int at_pool_size(const at_pool *pool); // workers that really are there; 1 for NULL
/* Runs fn(ctx, 0 .. n_chunks-1, worker), each once, in any order; returns when all are done. A NULL
 * pool runs them here. */
void at_pool_run(at_pool *pool, size_t n_chunks, at_pool_fn fn, void *ctx);

#endif
