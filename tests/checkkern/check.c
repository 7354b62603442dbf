/* check.c - see check.h */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_GUARDS = 32, CANARY = 0xa5, MAX_PRINTED = 5 };

static struct {
    char *map, *start;
    size_t size;
} guards[MAX_GUARDS];
static int n_guards;

void *guard(size_t bytes, size_t slack)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t body = at_round_up(bytes + slack, page) + page;
    if (n_guards == MAX_GUARDS) exit((fprintf(stderr, "checkkern: too many buffers\n"), 2));
    char *map = mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + body, page, PROT_NONE) != 0)
        exit((fprintf(stderr, "checkkern: no memory\n"), 2));
    memset(map, CANARY, body);
    char *start = map + body - slack - bytes;
    guards[n_guards].map = map;
    guards[n_guards].start = start;
    guards[n_guards++].size = body + page;
    return start;
}

void guard_release(struct checker *t)
{
    for (int i = 0; i < n_guards; i++) {
        for (char *p = guards[i].start; p-- > guards[i].map;) {
            if ((unsigned char)*p == CANARY) continue;
            t->failures++;
            printf("%s %s: wrote %td bytes before a buffer\n", t->kernel, t->level,
                   guards[i].start - p);
            break;
        }
        munmap(guards[i].map, guards[i].size);
    }
    n_guards = 0;
}

uint64_t random_bits(void)
{
    static uint64_t s = 0x9e3779b97f4a7c15u; // splitmix64, the same every run
    uint64_t z = s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

float random_float(void)
{
    double s = 0.0;
    for (int i = 0; i < 4; i++)
        s += (double)(random_bits() >> 40) * 0x1p-24;
    return (float)((s - 2.0) * 1.732);
}

void fill_adversarial(float *x, size_t n)
{
    static const float hard[] = {
        0.0f,     -0.0f,    1e-45f,     -1e-45f,    1.1754942e-38f, 1.17549435e-38f,
        -1e-39f,  3.4e38f,  -3.4e38f,   INFINITY,   -INFINITY,      NAN,
        65504.0f, 65520.0f, 65519.996f, 6.1035e-5f, 5.96e-8f,       2.98e-8f,
        2.99e-8f, 1.0f,     -1.0f,      88.0f,      -87.0f,         -87.5f,
        6.0f};
    for (size_t i = 0; i < n; i++)
        x[i] = random_bits() % 3 == 0 ? hard[random_bits() % AT_COUNT(hard)]
                                      : random_float() * 4.0f;
}

float *input(size_t n)
{
    float *x = guard(n * sizeof *x, AT_SLACK);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
    return x;
}

float *output(size_t n)
{
    float *y = guard(n * sizeof *y, 0);
    for (size_t i = 0; i < n; i++)
        y[i] = NAN;
    return y;
}

float *copy_of(const float *x, size_t n, size_t slack)
{
    float *y = guard(n * sizeof *y, slack);
    if (n) memcpy(y, x, n * sizeof *y);
    return y;
}

static void fail(struct checker *t, const char *where, va_list args)
{
    if (t->failures++ >= MAX_PRINTED) return;
    printf("%s %s: ", t->kernel, t->level);
    vprintf(where, args);
}

void expect(struct checker *t, double got, double want, double magnitude, const char *where, ...)
{
    t->comparisons++;
    if (isnan(want) ? isnan(got) : got == want) return;
    double unit = 0x1p-24 * magnitude; // half a place of a sum of this size
    if (t->judge.kind == JUDGE_ULP) {
        int e;
        frexp(want, &e);
        unit = ldexp(1.0, (e < -125 ? -125 : e) - 24);
    }
    // below the smallest normal float a kernel may give 0
    const double error = (fabs(got - want) - 1.2e-38) / unit;
    if (error > t->worst) t->worst = error;
    if (isfinite(got) && isfinite(want) && error <= t->judge.limit && t->judge.kind != JUDGE_EXACT)
        return;
    if (isinf(want) == 0 && fabs(want) >= 3.4028235e38 && isinf(got)) return;
    va_list args;
    va_start(args, where);
    fail(t, where, args);
    va_end(args);
    if (t->failures <= MAX_PRINTED)
        printf(": got %.9g, want %.9g, error %.3g > %.3g\n", got, want, error, t->judge.limit);
}

void expect_bytes(struct checker *t, const void *got, const void *want, size_t bytes,
                  const char *where, ...)
{
    t->comparisons += bytes;
    if (bytes == 0 || memcmp(got, want, bytes) == 0) return;
    size_t at = 0;
    while (((const char *)got)[at] == ((const char *)want)[at])
        at++;
    va_list args;
    va_start(args, where);
    fail(t, where, args);
    va_end(args);
    if (t->failures <= MAX_PRINTED) printf(": byte %zu of %zu differs\n", at, bytes);
}

double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); // what others run meanwhile does not count
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double d = *(const double *)a - *(const double *)b;
    return d > 0.0 ? 1 : d < 0.0 ? -1 : 0;
}

double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

void rate(const struct checker *t, const char *what, double seconds, double flop, double bytes)
{
    printf("%-14s %-7s %-28s %10.2f us", t->kernel, t->level, what, seconds * 1e6);
    if (flop > 0.0) printf(" %8.1f GFLOP/s", flop / seconds * 1e-9);
    if (bytes > 0.0) printf(" %8.1f GB/s", bytes / seconds * 1e-9);
    printf("\n");
}
