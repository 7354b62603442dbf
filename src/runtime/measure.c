/* measure.c - precision, recall, F1 and average precision of each label. */
#include "runtime/column.h"

#include <math.h>
#include <stdlib.h>

at_status at_scores_check(const at_scores *s, const float *thresholds, at_error *err)
{
    if (!s->scores || !thresholds || !s->pictures || !s->labels)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%zu pictures, %zu labels: nothing to look at",
                       s->pictures, s->labels);
    size_t cells;
    if (!at_mul(s->pictures, s->labels, &cells) || s->pictures > UINT32_MAX)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%zu pictures of %zu labels are too many",
                       s->pictures, s->labels);
    for (size_t i = 0; i < cells; i++) {
        const size_t picture = i / s->labels, label = i % s->labels;
        if (s->scores[i] < 0 || s->scores[i] > 1)
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "picture %zu, label %zu: score %g is outside 0..1", picture, label,
                           (double)s->scores[i]);
        if (s->truths && (s->truths[i] < -1 || s->truths[i] > 1))
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "picture %zu, label %zu: truth %d is not 1, 0 or -1", picture, label,
                           s->truths[i]);
    }
    for (size_t l = 0; l < s->labels; l++) {
        if (!(thresholds[l] >= 0 && thresholds[l] <= 1))
            return at_fail(err, AT_E_INVALID_PARAMETER, "label %zu: threshold %g is outside 0..1",
                           l, (double)thresholds[l]);
    }
    return AT_OK;
}

static int falling(const void *a, const void *b)
{
    const at_column_cell *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->picture < y->picture) - (x->picture > y->picture);
}

size_t at_column_read(const at_scores *s, size_t label, at_column_cell *cells, size_t *positives)
{
    size_t n = 0;
    *positives = 0;
    for (size_t p = 0; p < s->pictures && s->truths; p++) {
        const float score = s->scores[p * s->labels + label];
        const int8_t truth = s->truths[p * s->labels + label];
        if (truth < 0) continue;
        cells[n++] = (at_column_cell){
            .score = isnan(score) ? -1 : score, .picture = (uint32_t)p, .positive = truth == 1};
        *positives += truth == 1;
    }
    if (*positives) qsort(cells, n, sizeof *cells, falling); // nobody asks for an order without
    return n;
}

static at_label_quality measure(const at_column_cell *cells, size_t n, size_t positives,
                                float threshold)
{
    at_label_quality q = {.positives = positives, .negatives = n - positives};
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += cells[i].positive;
        if (cells[i].positive) q.ap += (double)found / (double)(i + 1);
        if (cells[i].score > threshold) {
            q.said++;
            q.right += cells[i].positive;
        }
    }
    if (positives) q.ap /= (double)positives;
    if (q.said) q.precision = (double)q.right / (double)q.said;
    if (positives) q.recall = (double)q.right / (double)positives;
    if (q.said + positives) q.f1 = 2 * (double)q.right / (double)(q.said + positives);
    return q;
}

at_status at_measure(const float *scores, const int8_t *truths, size_t pictures, size_t labels,
                     const float *thresholds, const at_allocator *al, at_label_quality *quality,
                     at_error *err)
{
    const at_scores s = {scores, truths, pictures, labels};
    if (!truths || !quality)
        return at_fail(err, AT_E_INVALID_PARAMETER, "at_measure: no argument may be NULL");
    const at_status status = at_scores_check(&s, thresholds, err);
    if (status != AT_OK) return status;
    at_column_cell *cells = at_calloc(al, pictures, sizeof *cells);
    if (!cells)
        return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for the scores of %zu pictures",
                       pictures);
    for (size_t l = 0; l < labels; l++) {
        size_t positives;
        const size_t n = at_column_read(&s, l, cells, &positives);
        quality[l] = measure(cells, n, positives, thresholds[l]);
    }
    at_free(al, cells);
    return AT_OK;
}
