/* calibrate.c - thresholds from pictures whose labels are known. Each label with enough pictures gets the
 * best cut of its own scores; the others lean on those. */
#include "runtime/column.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_POSITIVES = 20, ENOUGH_MOVES = 10, STEPS = 40 };

/* --- thresholds and logits ----------------------------------------------------------------------------- */

static double logit(float p)
{
    const double least = 1e-7, q = fmin(fmax((double)p, least), 1 - least);
    return log(q / (1 - q));
}

static float sigmoid(double x)
{
    const float p = (float)(1 / (1 + exp(-x)));
    return p < 1e-30f ? 1e-30f : p; // 0 would pass everything for ever
}

/* A threshold that `high` passes and `low` does not: midway, where there is a number between. */
static float midway(float high, float low)
{
    const float m = (float)(((double)high + (double)low) / 2);
    return m < high ? m : low;
}

static bool movable(float threshold)
{
    return threshold > 0 && threshold < 1;
}

/* --- one label --------------------------------------------------------------------------------------------- */

typedef struct cut {
    float threshold;
    bool silent; // the precision is out of reach
    bool none;   // no positive can pass: nothing was learnt
} cut;

static cut best_cut(const at_column_cell *c, size_t n, size_t positives,
                    const at_calibrate_options *o)
{
    cut best = {.threshold = midway(1, c[0].score > 0 ? c[0].score : 0)};
    size_t right = 0, best_right = 0, best_sum = 1;
    bool reached = false;
    for (size_t i = 0; i < n && c[i].score > 0; i++) { // what is 0 passes no threshold
        right += c[i].positive;
        const float next = i + 1 < n && c[i + 1].score > 0 ? c[i + 1].score : 0;
        if (next == c[i].score) continue; // equal scores pass together
        const size_t said = i + 1, sum = said + positives;
        const bool better = // F1 is 2 right / sum; compared without rounding
            o->target == AT_CALIBRATE_F1 ? right * best_sum > best_right * sum
                                         : (double)right >= (o->value - 1e-9) * (double)said;
        if (!better) continue;
        best.threshold = midway(c[i].score, next);
        best_right = right;
        best_sum = sum;
        reached = true;
    }
    best.none = right == 0;
    best.silent = o->target == AT_CALIBRATE_PRECISION && !reached;
    return best;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    if (n < ENOUGH_MOVES) return 0; // too few to speak for the others
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The labels with few pictures: what they had, moved as the others did, and some of the way to their own. */
static void lean(float *t, uint8_t *how, float own, float before, double move, double way)
{
    if (!movable(before) || (move == 0 && way == 0)) {
        *t = before;
        *how = AT_CALIBRATED_KEPT;
        return;
    }
    const double from = logit(before) + move;
    *t = sigmoid(from + way * (logit(own) - from));
    *how = way > 0 ? AT_CALIBRATED_SHRUNK : AT_CALIBRATED_MOVED;
}

typedef struct work {
    at_column_cell *cells;
    cut *cuts;   // [labels]
    double *way; // [labels] 0..1: how far a label stands alone
    double *moves;
} work;

static void by_label(const at_scores *s, const float *before, const at_calibrate_options *o,
                     const work *w, float *after, uint8_t *how)
{
    const size_t least = o->min_positives ? (size_t)o->min_positives : MIN_POSITIVES;
    size_t n_moves = 0;
    for (size_t l = 0; l < s->labels; l++) {
        size_t positives;
        const size_t n = at_column_read(s, l, w->cells, &positives);
        w->way[l] = 0;
        if (positives == 0 || positives == n) continue; // nothing to part
        w->cuts[l] = best_cut(w->cells, n, positives, o);
        if (w->cuts[l].none) continue;
        w->way[l] = positives < least ? (double)positives / (double)least : 1;
        if (w->way[l] == 1 && !w->cuts[l].silent && movable(before[l]))
            w->moves[n_moves++] = logit(w->cuts[l].threshold) - logit(before[l]);
    }
    const double move = median(w->moves, n_moves);
    for (size_t l = 0; l < s->labels; l++) {
        const cut *c = &w->cuts[l];
        if (w->way[l] < 1) {
            lean(&after[l], &how[l], c->threshold, before[l], move, w->way[l]);
        } else {
            after[l] = c->threshold;
            how[l] = c->silent ? AT_CALIBRATED_SILENT : AT_CALIBRATED_OWN;
        }
    }
}

/* --- so many labels a picture -------------------------------------------------------------------------------- */

typedef struct shift {
    const at_scores *s;
    const float *before;
    float *after;
} shift;

/* Cells that pass when every threshold is moved; fewer the higher. */
static size_t passing(const shift *f, double by)
{
    const size_t n = f->s->labels;
    size_t count = 0;
    for (size_t l = 0; l < n; l++)
        f->after[l] = movable(f->before[l]) ? sigmoid(logit(f->before[l]) + by) : f->before[l];
    for (size_t p = 0; p < f->s->pictures; p++) {
        for (size_t l = 0; l < n; l++)
            count += f->s->scores[p * n + l] > f->after[l];
    }
    return count;
}

/* Where, between low and high, the count falls to `most` or below: *low is the last above it. */
static void search(const shift *f, double most, double *low, double *high)
{
    for (int i = 0; i < STEPS; i++) {
        const double mid = (*low + *high) / 2;
        if ((double)passing(f, mid) <= most)
            *high = mid;
        else
            *low = mid;
    }
}

/* Of the two counts around the wanted one the nearer, and the middle of the shifts that give it. */
static void by_count(const at_scores *s, const float *before, double per_picture, float *after)
{
    const shift f = {s, before, after};
    const double wanted = per_picture * (double)s->pictures, far = 40;
    double low = -far, high = far;
    search(&f, wanted, &low, &high);
    const double more = (double)passing(&f, low), fewer = (double)passing(&f, high);
    double first = high, last = high;
    if (more > wanted && more - wanted < wanted - fewer) {
        double outside = -far;
        first = last = low;
        search(&f, more, &outside, &first);
    } else if (fewer > 0) {
        double outside = far;
        search(&f, fewer - 1, &last, &outside);
    }
    (void)passing(&f, (first + last) / 2); // leaves the thresholds in `after`
}

/* --- the call ------------------------------------------------------------------------------------------------ */

static at_status check(const at_scores *s, const float *before, const at_calibrate_options *o,
                       at_error *err)
{
    if (o->target < AT_CALIBRATE_F1 || o->target > AT_CALIBRATE_COUNT)
        return at_fail(err, AT_E_INVALID_PARAMETER, "target: %d is not one of 0..2", o->target);
    if (o->min_positives < 0)
        return at_fail(err, AT_E_INVALID_PARAMETER, "min_positives: %d is below 0",
                       o->min_positives);
    if (o->target == AT_CALIBRATE_PRECISION && !(o->value > 0 && o->value <= 1))
        return at_fail(err, AT_E_INVALID_PARAMETER, "precision: %g is not in (0, 1]", o->value);
    if (o->target == AT_CALIBRATE_COUNT && !(o->value > 0 && o->value <= (double)s->labels))
        return at_fail(err, AT_E_INVALID_PARAMETER, "count: %g is not in (0, %zu], the labels",
                       o->value, s->labels);
    return at_scores_check(s, before, err);
}

at_status at_calibrate(const float *scores, const int8_t *truths, size_t pictures, size_t labels,
                       const float *before, const at_calibrate_options *options, float *after,
                       uint8_t *how, at_error *err)
{
    const at_scores s = {scores, truths, pictures, labels};
    at_calibrate_options o;
    at_status status = AT_OPTIONS(at_calibrate_options, &o, options, err);
    if (status == AT_OK && !after)
        status = at_fail(err, AT_E_INVALID_PARAMETER, "at_calibrate: `after` may not be NULL");
    if (status == AT_OK) status = check(&s, before, &o, err);
    if (status != AT_OK) return status;
    const at_allocator *al = o.allocator;
    work w = {.cells = at_calloc(al, pictures, sizeof *w.cells),
              .cuts = at_calloc(al, labels, sizeof *w.cuts),
              .way = at_calloc(al, labels, sizeof *w.way),
              .moves = at_calloc(al, labels, sizeof *w.moves)};
    float *made = at_calloc(al, labels, sizeof *made); // `after` may be `before`
    uint8_t *from = at_calloc(al, labels, 1);
    if (!w.cells || !w.cuts || !w.way || !w.moves || !made || !from) {
        status = at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for %zu pictures of %zu labels",
                         pictures, labels);
    } else {
        if (o.target == AT_CALIBRATE_COUNT) {
            by_count(&s, before, o.value, made);
            for (size_t l = 0; l < labels; l++)
                from[l] = movable(before[l]) ? AT_CALIBRATED_MOVED : AT_CALIBRATED_KEPT;
        } else {
            by_label(&s, before, &o, &w, made, from);
        }
        memcpy(after, made, labels * sizeof *made);
        if (how) memcpy(how, from, labels);
    }
    at_free(al, w.cells);
    at_free(al, w.cuts);
    at_free(al, w.way);
    at_free(al, w.moves);
    at_free(al, made);
    at_free(al, from);
    return status;
}
