/* queue.c - pictures that wait, and whose turn it is: the key that was served longest ago, of its pictures
 * the first. So a client with a long list holds up another only by the pass that runs. */
#include "serve/internal.h"

void picture_push(queue *q, picture *p)
{
    if (!q->last) q->last = &q->first;
    p->next = NULL;
    *q->last = p;
    q->last = &p->next;
    q->n++;
}

static picture *take_out(queue *q, picture **at)
{
    picture *p = *at;
    *at = p->next;
    if (!p->next) q->last = at;
    q->n--;
    return p;
}

picture *picture_pop(queue *q)
{
    return q->first ? take_out(q, &q->first) : NULL;
}

picture *picture_pop_fair(queue *q, turns *t)
{
    picture **best = NULL;
    if (t->keys < 2) return picture_pop(q);
    for (picture **at = &q->first; *at; at = &(*at)->next) {
        if (!best || t->served[(*at)->r->key] < t->served[(*best)->r->key]) best = at;
        if (t->served[(*best)->r->key] == 0) break; // nobody has waited longer
    }
    if (!best) return NULL;
    t->served[(*best)->r->key] = ++t->clock;
    return take_out(q, best);
}

bool queue_admit(at_server *s, size_t key, size_t n)
{
    // with several keys none may fill the queue alone
    const size_t all = (size_t)s->o.queue, most = s->o.n_keys > 1 ? all - all / 4 : all;
    pthread_mutex_lock(&s->lock);
    const bool ok = s->pending + n <= all && s->pending_of[key] + n <= most;
    if (ok) {
        s->pending += n;
        s->pending_of[key] += n;
    }
    pthread_mutex_unlock(&s->lock);
    if (!ok) metrics_rejected(s->metrics, REJECTED_QUEUE);
    return ok;
}

void queue_leave(at_server *s, size_t key, size_t n)
{
    pthread_mutex_lock(&s->lock);
    s->pending -= n;
    s->pending_of[key] -= n;
    pthread_mutex_unlock(&s->lock);
}
