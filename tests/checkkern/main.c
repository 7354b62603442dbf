/* main.c - checkkern: every kernel, at every level that this machine runs, against its meaning.
 *
 *   checkkern [--bench] [KERNEL]
 *
 * Built twice: over the library's kernels, and (checkkern_simde) over AVX-512 kernels that SIMDe
 * translates, so that their arithmetic is verified on machines without AVX-512. */
#include "check.h"

#include "base/cpu.h"
#ifdef CHECK_PRODUCTS
#include "products.h"
#endif

#include <stdio.h>
#include <string.h>

#define EXACT          \
    {                  \
        JUDGE_EXACT, 0 \
    }
#define ULP(n)         \
    {                  \
        JUDGE_ULP, (n) \
    }
#define SUM(c)         \
    {                  \
        JUDGE_SUM, (c) \
    }
static const struct row {
    const char *name;
    struct judge judge;
    void (*check)(struct checker *t);
    void (*bench)(struct checker *t);
    size_t slot; // in the table
} rows[] = {
#define K(name, params, judge) \
    {#name, judge, check_##name, bench_##name, offsetof(at_kernels, name)},
    AT_KERNELS(K)
#undef K
};

static const struct level {
    const char *name;
    unsigned cpu;
} levels[] = {
    {"ref", 0},
    {"avx2", AT_CPU_AVX2},
    {"avxvnni", AT_CPU_AVX2 | AT_CPU_AVXVNNI},
    {"avx512", AT_CPU_AVX2 | AT_CPU_AVX512},
    {"avx512vnni", AT_CPU_AVX2 | AT_CPU_AVX512 | AT_CPU_AVX512VNNI},
    {"avx512bf16", AT_CPU_AVX2 | AT_CPU_AVX512 | AT_CPU_AVX512VNNI | AT_CPU_AVX512BF16},
    {"amx", AT_CPU_AVX2 | AT_CPU_AVX512 | AT_CPU_AVX512VNNI | AT_CPU_AVX512BF16 | AT_CPU_AMX},
};

static unsigned runnable(void)
{
#ifdef CHECK_SIMDE
    return at_cpu_features() & AT_CPU_AVX2 ? AT_CPU_ALL : 0;
#else
    return at_cpu_features();
#endif
}

static int run(const struct row *row, bool bench)
{
    at_kernels ref, below, table;
    at_kernels_fill(&ref, 0);
    below = ref;
    int failures = 0;
    for (size_t l = 0; l < AT_COUNT(levels); l++) {
        if ((levels[l].cpu & runnable()) != levels[l].cpu) continue;
        at_kernels_fill(&table, levels[l].cpu);
        void *ours = (char *)&table + row->slot;
        const bool same = l > 0 &&
                          memcmp(ours, (char *)&below + row->slot, sizeof(void (*)(void))) == 0;
        below = table;
        if (same) continue; // the level has nothing of its own here
        struct checker t = {.kernel = row->name,
                            .level = levels[l].name,
                            .k = &table,
                            .ref = &ref,
                            .judge = row->judge};
        if (bench) {
            row->bench(&t);
            guard_release(&t);
            continue;
        }
        row->check(&t);
        guard_release(&t);
        printf("%-14s %-7s %9llu compared, worst %6.2f of %4.0f%s\n", t.kernel, t.level,
               t.comparisons, t.worst, t.judge.limit,
               t.failures      ? "  FAILED"
               : t.comparisons ? ""
                               : "  FAILED: compared nothing");
        failures += t.failures || !t.comparisons;
    }
    return failures;
}

int main(int argc, char **argv)
{
    bool bench = false;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            bench = true;
        else
            only = argv[i];
    }
    int failures = 0, ran = 0;
    for (size_t i = 0; i < AT_COUNT(rows); i++) {
        if (only && strcmp(only, rows[i].name) != 0) continue;
        failures += run(&rows[i], bench);
        ran++;
    }
    if (!ran) {
        fprintf(stderr, "checkkern: no kernel is called %s\n", only);
        return 2;
    }
#ifdef CHECK_PRODUCTS
    if (bench && !only) failures += bench_products(0, NULL);
#endif
    if (!(runnable() & AT_CPU_AVX512)) printf("avx512: not on this machine, not run\n");
    if (failures) printf("%d failed\n", failures);
    return failures != 0;
}
