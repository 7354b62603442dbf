/* anytag/calibrate.h - thresholds chosen from pictures whose labels are known, and how good they are.
 *
 *     at_calibrate_options o = {.struct_size = sizeof o, .target = AT_CALIBRATE_PRECISION,
 *                               .value = 0.9};
 *     at_calibrate(scores, truths, n_pictures, n_labels, before, &o, after, NULL, &err);
 *     at_measure(scores, truths, n_pictures, n_labels, after, NULL, quality, &err);
 *
 * No model is needed: scores are at_tags_scores() of each picture, truths are the caller's. Both are
 * [pictures, labels]; a label's threshold depends on its own column (and for labels with few pictures
 * on the other thresholds), never on the order of the pictures. */
#ifndef ANYTAG_CALIBRATE_H
#define ANYTAG_CALIBRATE_H

#include "anytag/base.h"

AT_C_BEGIN

typedef enum at_calibrate_target {
    AT_CALIBRATE_F1 = 0,        /* the best F1 of each label; equal ones: the higher threshold */
    AT_CALIBRATE_PRECISION = 1, /* the lowest threshold whose precision is still >= value */
    AT_CALIBRATE_COUNT = 2      /* `value` labels a picture pass on average; needs no truths */
} at_calibrate_target;

/* Where a label's threshold is from. */
typedef enum at_calibrated {
    AT_CALIBRATED_KEPT = 0,   /* the one it had */
    AT_CALIBRATED_MOVED = 1,  /* the one it had, moved as far as the others */
    AT_CALIBRATED_SHRUNK = 2, /* between that and its own few pictures */
    AT_CALIBRATED_OWN = 3,    /* its own pictures alone */
    AT_CALIBRATED_SILENT = 4  /* the precision is out of reach: above every score seen */
} at_calibrated;

typedef struct at_calibrate_options {
    size_t struct_size; /* sizeof(at_calibrate_options) */
    int target;         /* at_calibrate_target */
    double value;       /* the precision, (0, 1]; or the count, above 0 */
    /* Labels with fewer positive pictures do not stand alone; 0: 20. The best threshold on a handful
     * of pictures is a matter of luck, so such a label begins with the threshold it had, moved in
     * logits by the median move of the labels that do stand alone (when they are at least 10), and
     * goes positives/min_positives of the way to its own. A label without a positive, or without a
     * negative, goes none of it; one whose threshold was 0 or 1 (always, never) keeps it. */
    int min_positives;
    const at_allocator *allocator; /* borrows; NULL: malloc */
} at_calibrate_options;

/* Chooses a threshold for each label.
 *   scores  borrows [pictures, labels], 0..1; not a number: never passes
 *   truths  borrows [pictures, labels], 1 there, 0 not there, -1 unknown; NULL: all unknown
 *   before  borrows [labels], 0..1, the thresholds so far
 *   after   returns into [labels], the caller's; may be `before`
 *   how     returns into [labels] an at_calibrated each; NULL if not wanted
 * A label passes when score > threshold, strictly, as everywhere; a threshold lies midway between the
 * two scores that it parts. AT_CALIBRATE_COUNT moves all thresholds by one shift in logits, so that
 * their differences stay.   AT_E_INVALID_PARAMETER, AT_E_OUT_OF_MEMORY */
AT_API at_status at_calibrate(const float *scores, const int8_t *truths, size_t pictures,
                              size_t labels, const float *before,
                              const at_calibrate_options *options, float *after, uint8_t *how,
                              at_error *err);

/* How good one label's threshold is; over the pictures where its truth is known. */
typedef struct at_label_quality {
    size_t positives, negatives; /* pictures with it, without it */
    size_t said, right;          /* that pass; of these, those with it */
    double precision, recall;    /* 0 where nothing is said, nothing is there */
    double f1;
    /* Sum over the positives of (positives so far / rank), over the number of positives, as the
     * official evaluation has it; 0 without positives. Thresholds do not matter to it. */
    double ap;
} at_label_quality;

/*   thresholds  borrows [labels]   quality  returns into [labels]   the rest as above */
AT_API at_status at_measure(const float *scores, const int8_t *truths, size_t pictures,
                            size_t labels, const float *thresholds, const at_allocator *allocator,
                            at_label_quality *quality, at_error *err);

AT_C_END
#endif
