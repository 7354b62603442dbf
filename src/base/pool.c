/* pool.c - see pool.h. Workers spin a little on the job number, then sleep on a condition. */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SPINS = 4000 }; // about 10 us: a layer's gap; longer waits sleep

struct at_pool {
    at_allocator al;
    int n_threads; // workers made, without the caller
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t done;
    atomic_uint job;     // number of the current job; odd while closing is wanted is not used
    atomic_bool closing;
    atomic_int next_worker; // ids for threads as they start
    // the job
    at_pool_fn fn;
    void *ctx;
    size_t n_chunks;
    atomic_size_t next_chunk;
    atomic_int busy; // threads that have not finished the current job
};

static void work(at_pool *p, int worker)
{
    for (;;) {
        const size_t chunk = atomic_fetch_add_explicit(&p->next_chunk, 1, memory_order_relaxed);
        if (chunk >= p->n_chunks) return;
        p->fn(p->ctx, chunk, worker);
    }
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void *thread_main(void *arg)
{
    at_pool *p = arg;
    const int worker = atomic_fetch_add(&p->next_worker, 1);
    unsigned seen = 0;
    for (;;) {
        unsigned job = atomic_load_explicit(&p->job, memory_order_acquire);
        for (int spin = 0; job == seen && spin < SPINS; spin++) {
            relax();
            job = atomic_load_explicit(&p->job, memory_order_acquire);
        }
        if (job == seen) {
            pthread_mutex_lock(&p->lock);
            while ((job = atomic_load(&p->job)) == seen)
                pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        seen = job;
        if (atomic_load(&p->closing)) return NULL;
        work(p, worker);
        if (atomic_fetch_sub_explicit(&p->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void start_job(at_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->job, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

at_status at_pool_open(at_pool **out, int threads, const at_allocator *al, at_error *err)
{
    if (threads < 1) threads = at_cpu_count();
    at_pool *p = at_new(al, at_pool);
    if (!p) return at_fail(err, AT_E_OUT_OF_MEMORY, "thread pool: no memory");
    if (al) p->al = *al;
    p->threads = at_calloc(al, (size_t)threads, sizeof *p->threads);
    if (!p->threads) {
        at_free(al, p);
        return at_fail(err, AT_E_OUT_OF_MEMORY, "thread pool: no memory for %d threads", threads);
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    atomic_store(&p->next_worker, 1);
    for (int i = 1; i < threads; i++) {
        if (pthread_create(&p->threads[p->n_threads], NULL, thread_main, p) != 0) break;
        p->n_threads++;
    }
    *out = p;
    return AT_OK;
}

void at_pool_close(at_pool *p)
{
    if (!p) return;
    atomic_store(&p->closing, true);
    start_job(p);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    const at_allocator al = p->al;
    at_free(&al, p->threads);
    at_free(&al, p);
}

int at_pool_size(const at_pool *p) { return p ? p->n_threads + 1 : 1; }

void at_pool_run(at_pool *p, size_t n_chunks, at_pool_fn fn, void *ctx)
{
    if (!p || p->n_threads == 0 || n_chunks <= 1) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(ctx, i, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->n_chunks = n_chunks;
    atomic_store_explicit(&p->next_chunk, 0, memory_order_relaxed);
    atomic_store_explicit(&p->busy, p->n_threads, memory_order_relaxed);
    start_job(p);
    work(p, 0);
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&p->busy, memory_order_acquire) == 0) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load_explicit(&p->busy, memory_order_acquire) != 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
