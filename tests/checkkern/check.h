/* check.h - what the checks of kernels share: guarded buffers, random and adversarial numbers, judges.
 *
 * A check runs one kernel of one level on many sizes and compares with its meaning in double, or with
 * ref where the list says EXACT. `check_<name>` of every row of kernels/list.h must exist. */
#ifndef CHECK_H
#define CHECK_H

#include "kernels/kernels.h"

#include <stdint.h>

enum judge_kind { JUDGE_EXACT, JUDGE_ULP, JUDGE_SUM };
struct judge {
    enum judge_kind kind;
    double limit;
};

struct checker {
    const char *kernel, *level;
    const at_kernels *k;   // the level's table
    const at_kernels *ref; // the reference's
    struct judge judge;
    unsigned long long comparisons;
    int failures;
    double worst; // largest error seen, in the judge's unit
};

/* Memory that ends at a page that cannot be touched: `slack` bytes before it for inputs that kernels
 * may over-read (AT_SLACK), 0 for outputs. Bytes before the buffer are a canary. All are given back by
 * guard_release. The end, not the start, is at a fixed place: starts are aligned to 4 bytes at least,
 * to 64 when bytes and slack are multiples of 64. */
void *guard(size_t bytes, size_t slack);
void guard_release(struct checker *t);
float *input(size_t n);  // random, over-readable
float *output(size_t n); // NaN everywhere, not over-readable
float *copy_of(const float *x, size_t n, size_t slack);

uint64_t random_bits(void);
float random_float(void); // about normal
void fill_adversarial(
    float *x, size_t n); // zeros of both signs, denormals, huge, NaN and infinity among others

/* `got` is what the kernel gave, `want` the value in double, `magnitude` the sum of |products|. `where`
 * is a printf text of the parameters. */
void expect(struct checker *t, double got, double want, double magnitude, const char *where, ...)
    __attribute__((format(printf, 5, 6)));
void expect_bytes(struct checker *t, const void *got, const void *want, size_t bytes,
                  const char *where, ...) __attribute__((format(printf, 5, 6)));

/* Times: the median over several runs of `call`, in seconds a call. */
double seconds_now(void);
#define TIME_CALL(seconds, call)                    \
    do {                                            \
        double runs_[9];                            \
        for (int run_ = 0; run_ < 9; run_++) {      \
            const double begin_ = seconds_now();    \
            int count_ = 0;                         \
            double now_;                            \
            do {                                    \
                for (int i_ = 0; i_ < 16; i_++) {   \
                    call;                           \
                }                                   \
                count_ += 16;                       \
                now_ = seconds_now();               \
            } while (now_ - begin_ < 0.004);        \
            runs_[run_] = (now_ - begin_) / count_; \
        }                                           \
        (seconds) = median(runs_, 9);               \
    } while (0)
double median(double *x, int n);
void rate(const struct checker *t, const char *what, double seconds, double flop, double bytes);

#define K(name, params, judge)            \
    void check_##name(struct checker *t); \
    void bench_##name(struct checker *t);
AT_KERNELS(K)
#undef K

/* The endings of a product that are exact enough for bounds of sums. */
enum { ENDS = 5 };
extern const at_end_act ends[ENDS];

#endif
