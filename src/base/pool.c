/* pool.c - see pool.h. Workers spin a little on the job number, then sleep on a condition.
 *
 * The caller waits for chunks that were begun, never for a worker that has not yet woken up: on a busy
 * machine that would be a time slice an op. A ticket names the job with the chunk, and a job's slot is
 * used again only two jobs later, so that a worker that comes late finds out. */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SPINS = 4000, // some 10 us to 100 us: a layer's gap; longer waits sleep
    CHUNK_BITS = 32,
};

typedef struct job {
    atomic_uint id; // changes before the rest does
    atomic_size_t n_chunks;
    atomic_size_t n_done;
    at_pool_fn fn; // these two are read by those alone who hold a chunk
    void *ctx;
} job;

struct at_pool {
    at_allocator al;
    int n_threads; // workers made, without the caller
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t done;
    atomic_uint last_id;
    atomic_bool closing;
    atomic_int next_worker;            // ids for threads as they start
    _Alignas(64) atomic_ullong ticket; // id of the job, then the next chunk of it
    _Alignas(64) job jobs[2];
};

/* Takes chunks of whatever job there is, until there are none. */
static void work(at_pool *p, int worker)
{
    for (;;) {
        const unsigned long long ticket = atomic_fetch_add_explicit(&p->ticket, 1,
                                                                    memory_order_acq_rel);
        const unsigned id = (unsigned)(ticket >> CHUNK_BITS);
        const size_t chunk = (size_t)(ticket & ((1ull << CHUNK_BITS) - 1));
        job *j = &p->jobs[id % 2];
        const size_t n = atomic_load_explicit(&j->n_chunks, memory_order_acquire);
        // the count of a later job comes with a later id
        if (chunk >= n || atomic_load_explicit(&j->id, memory_order_relaxed) != id) return;
        j->fn(j->ctx, chunk, worker);
        if (atomic_fetch_add_explicit(&j->n_done, 1, memory_order_acq_rel) + 1 == n) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
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
        unsigned id = atomic_load_explicit(&p->last_id, memory_order_acquire);
        for (int spin = 0; id == seen && spin < SPINS; spin++) {
            relax();
            id = atomic_load_explicit(&p->last_id, memory_order_acquire);
        }
        if (id == seen) {
            pthread_mutex_lock(&p->lock);
            while ((id = atomic_load(&p->last_id)) == seen)
                pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        seen = id;
        if (atomic_load(&p->closing)) return NULL;
        work(p, worker);
    }
}

/* Tells the workers that there is a new job, or that the pool closes. */
static void announce(at_pool *p, unsigned id)
{
    pthread_mutex_lock(&p->lock);
    atomic_store_explicit(&p->last_id, id, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

at_status at_pool_open(at_pool **out, int threads, const at_allocator *al, at_error *err)
{
    if (threads < 1) threads = at_cpu_count();
    if (threads > AT_MAX_THREADS) threads = AT_MAX_THREADS;
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
    announce(p, atomic_load(&p->last_id) + 1);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    const at_allocator al = p->al;
    at_free(&al, p->threads);
    at_free(&al, p);
}

int at_pool_size(const at_pool *p)
{
    return p ? p->n_threads + 1 : 1;
}

static bool finished(job *j, size_t n_chunks)
{
    return atomic_load_explicit(&j->n_done, memory_order_acquire) == n_chunks;
}

void at_pool_run(at_pool *p, size_t n_chunks, at_pool_fn fn, void *ctx)
{
    // so many chunks that their number and those who come too late do not fit a ticket: nobody has them
    const bool too_many = n_chunks >> (CHUNK_BITS - 1) != 0;
    if (!p || p->n_threads == 0 || n_chunks <= 1 || too_many) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(ctx, i, 0);
        return;
    }
    const unsigned id = atomic_load_explicit(&p->last_id, memory_order_relaxed) + 1;
    job *j = &p->jobs[id % 2];
    atomic_store_explicit(&j->id, id, memory_order_relaxed);
    atomic_store_explicit(&j->n_chunks, n_chunks, memory_order_release);
    atomic_store_explicit(&j->n_done, 0, memory_order_relaxed);
    j->fn = fn;
    j->ctx = ctx;
    atomic_store_explicit(&p->ticket, (unsigned long long)id << CHUNK_BITS, memory_order_release);
    announce(p, id);
    work(p, 0);
    for (int spin = 0; spin < SPINS; spin++) {
        if (finished(j, n_chunks)) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (!finished(j, n_chunks))
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
