/* compare.h - what the tests of the backend share: numbers, devices of several widths, comparisons. */
#ifndef AT_TESTS_BACKEND_COMPARE_H
#define AT_TESTS_BACKEND_COMPARE_H

#include "tests_cmocka.h"

#include "backend/backend.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_THREADS 3

static at_device *devices[MOST_THREADS]; // of 1, 2, 3 threads

static int open_devices(void **state)
{
    (void)state;
    for (int i = 0; i < MOST_THREADS; i++)
        if (at_backend_cpu.open(&devices[i], i + 1, NULL, NULL) != AT_OK) return 1;
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    for (int i = 0; i < MOST_THREADS; i++)
        at_backend_cpu.close(devices[i]);
    return 0;
}

static uint32_t random_word(void)
{
    static uint32_t s = 12345;
    s = s * 1664525u + 1013904223u;
    return s >> 8;
}
static float random_float(void)
{
    return (float)random_word() * 0x1p-23f - 1.0f;
}
static size_t random_size(size_t least, size_t most)
{
    return least + random_word() % (most - least + 1);
}

static float *random_floats(size_t n)
{
    float *x = at_alloc(NULL, n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
    return x;
}

static float *nans(size_t n)
{
    float *x = at_alloc(NULL, n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
    return x;
}

/* |got - want| <= 1e-5 * (1 + |want|): sums of at most a few hundred numbers of size one. NaN is NaN. */
static inline void near(double got, double want, const char *what, size_t i, size_t j)
{
    if (isnan(want) ? isnan(got) : fabs(got - want) <= 1e-5 * (1.0 + fabs(want))) return;
    fail_msg("%s [%zu, %zu]: got %.9g, want %.9g", what, i, j, got, want);
}

static void same_bits(const float *got, const float *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s: element %zu is %.9g, was %.9g", what, i, (double)got[i], (double)want[i]);
}

#endif
