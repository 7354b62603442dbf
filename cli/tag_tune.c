/* tag_tune.c - see tag_tune.h. The same bits come of every plan, so that trying costs nothing but the
 * difference of speed while it lasts. A plan runs a slice to warm up and two that are timed, of which the
 * lesser counts: other programs only ever make one longer. Batches double while that pays, then a lane a
 * thread is tried; a run too short to gain by it keeps the first plan. */
#include "tag_tune.h"

enum { BATCH_MAX = 16, SLICES = 3, ROUNDS_MAX = 64 };
static const double SLICE_S = 0.25;           // what a timed slice should take
static const double GAIN = 0.98;              // of the time: less is noise
static const size_t MEMORY = (size_t)1 << 30; // of all lanes' passes

void tag_tune_begin(tag_tuner *t, tag_plan start, int threads, bool fixed)
{
    *t = (tag_tuner){.best = start,
                     .now = start,
                     .threads = threads,
                     .batch_max = BATCH_MAX,
                     .climbing = true,
                     .settled = fixed};
}

/* Pictures of a slice: a pass of every lane to warm up, then about SLICE_S. */
static size_t slice(const tag_tuner *t)
{
    const size_t pass = (size_t)t->now.lanes * (size_t)t->now.batch;
    const double known = t->now_s > 0 ? t->now_s : t->best_s;
    if (t->slices == 0 || !(known > 0)) return pass;
    const double rounds = SLICE_S / known / (double)pass;
    return pass * (size_t)(rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds + 0.5);
}

static void settle(tag_tuner *t)
{
    t->now = t->best;
    t->settled = true;
}

tag_plan tag_tune_next(tag_tuner *t, size_t left, size_t *n)
{
    const size_t want = slice(t);
    if (!t->settled && left / 4 < want) settle(t); // the rest is too short to pay
    *n = t->settled ? left : want;
    return t->now;
}

/* What to try after `now` has been measured, whose pass takes `memory` bytes. */
static void go_on(tag_tuner *t, size_t memory)
{
    const bool better = !(t->best_s > 0) || t->now_s < GAIN * t->best_s;
    if (better) {
        t->best = t->now;
        t->best_s = t->now_s;
    }
    const tag_plan next = {.lanes = t->now.lanes, .batch = 2 * t->now.batch};
    const bool fits = memory < MEMORY / (2 * (size_t)t->now.lanes);
    const tag_plan other = {.lanes = t->threads, .batch = 1};
    if (t->climbing && better && fits && next.batch <= t->batch_max) {
        t->now = next;
    } else if (t->climbing && t->now.lanes == 1 && other.lanes > 1 &&
               memory / (size_t)t->now.batch < MEMORY / (size_t)other.lanes) {
        t->climbing = false; // one look
        t->now = other;
    } else {
        settle(t);
    }
    t->slices = 0;
    t->now_s = 0;
}

void tag_tune_told(tag_tuner *t, size_t n, double seconds, size_t memory)
{
    if (t->settled || n == 0) return;
    const double each = seconds / (double)n;
    t->slices++;
    if (t->slices == 1) {
        t->now_s = 0;
        return;
    }
    if (!(t->now_s > 0) || each < t->now_s) t->now_s = each;
    if (t->slices >= SLICES) go_on(t, memory);
}
