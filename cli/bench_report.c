/* bench_report.c - a bench as a table for people, as JSON for machines, beside an earlier one. */
#include "bench.h"

#include <string.h>

double bench_percentile(const bench *b, double share)
{
    const size_t i = (size_t)(share * (double)b->n);
    return b->ms[i < b->n ? i : b->n - 1];
}

double bench_images_s(const bench *b)
{
    return b->wall_s > 0 ? (double)b->n / b->wall_s : 0;
}

static double sum_s(const bench *b)
{
    double sum = 0;
    for (size_t i = 0; i < b->n_stages; i++)
        sum += b->stages[i].seconds;
    return sum > 0 ? sum : 1;
}

/* Sessions side by side each have their share of the threads, and so of the machine. */
static double share_of(const bench *b, double amount, double seconds, double peak)
{
    return seconds > 0 && peak > 0 ? amount / seconds / (peak / b->parallel) : 0;
}

static double of_arithmetic(const bench *b, const bench_stage *s)
{
    const at_machine *m = &b->machine;
    if (s->peak == AT_PEAK_INT8) // of that alone: a peak of floats says nothing of bytes
        return share_of(b, s->flop, s->seconds, m->int8_s);
    const bool bf16 = s->peak == AT_PEAK_BF16 && m->bf16_s > 0;
    return share_of(b, s->flop, s->seconds, bf16 ? m->bf16_s : m->flop_s);
}

static double of_memory(const bench *b, const bench_stage *s)
{
    return share_of(b, s->bytes, s->seconds, b->machine.bytes_s);
}

const char *bench_bound(const bench *b, const bench_stage *s)
{
    static const double NEAR = 0.5; // of a peak: little else can be in the way
    if (s->image) return "one thread";
    const double arithmetic = of_arithmetic(b, s), memory = of_memory(b, s);
    if (arithmetic <= 0 && memory <= 0) return "";
    if (arithmetic >= NEAR && arithmetic >= memory) return "arithmetic";
    if (memory > 1) return "caches"; // more than memory gives: it did not come from there
    if (memory >= NEAR) return "memory";
    return arithmetic > memory ? "arithmetic?" : "memory?"; // the nearer of two that are far
}

static void number(double v, const char *unit, char *out, size_t size)
{
    if (v > 0)
        (void)snprintf(out, size, v < 9.95 ? "%.2f%s" : "%.0f%s", v, unit);
    else
        (void)snprintf(out, size, "-");
}

void bench_print(const bench *b)
{
    const at_machine *m = &b->machine;
    printf("%s %s: %d thread%s, %d session%s, batch %d, opened in %.0f ms; %s\n",
           at_model_name(b->model), at_model_precision(b->model), b->threads,
           b->threads == 1 ? "" : "s", b->parallel, b->parallel == 1 ? "" : "s", b->batch,
           b->open_ms, b->pictures);
    printf("file to tags: median %.2f ms, 90th percentile %.2f ms, 99th %.2f ms, least %.2f ms; "
           "%.1f images/s; %.2f ms of processor time an image\n",
           bench_percentile(b, 0.5), bench_percentile(b, 0.9), bench_percentile(b, 0.99), b->ms[0],
           bench_images_s(b), b->cpu_s * 1e3 / (double)b->n);
    printf("this machine at most, measured: %.0f GFLOP/s f32, ", m->flop_s / 1e9);
    if (m->bf16_s > 0) printf("%.0f bf16, ", m->bf16_s / 1e9); // 0: no instructions for it
    if (m->int8_s > 0) printf("%.0f GOP/s int8, ", m->int8_s / 1e9);
    printf("%.1f GB/s from memory\n\n", m->bytes_s / 1e9);
    printf("%-16s %9s %6s %9s %8s %9s %8s  %s\n", "stage", "ms", "share", "GFLOP/s", "of peak",
           "GB/s", "of peak", "bound by");
    const double all = sum_s(b);
    for (size_t i = 0; i < b->n_stages; i++) {
        const bench_stage *s = &b->stages[i];
        char flops[24], share[24], bytes[24], of[24];
        number(s->flop / s->seconds / 1e9, "", flops, sizeof flops);
        number(of_arithmetic(b, s) * 100, "%", share, sizeof share);
        number(s->bytes / s->seconds / 1e9, "", bytes, sizeof bytes);
        number(of_memory(b, s) * 100, "%", of, sizeof of);
        printf("%-16s %9.3f %5.1f%% %9s %8s %9s %8s  %s\n", s->name,
               s->seconds * 1e3 / (double)b->n, 100 * s->seconds / all, flops, share, bytes, of,
               bench_bound(b, s));
    }
}

json_t *bench_json(const bench *b)
{
    json_t *stages = json_array();
    for (size_t i = 0; i < b->n_stages; i++) {
        const bench_stage *s = &b->stages[i];
        (void)json_array_append_new(
            stages, json_pack("{ss sf sf sf sf sf sf sf ss}", "name", s->name, "ms",
                              s->seconds * 1e3 / (double)b->n, "share", s->seconds / sum_s(b),
                              "calls", s->calls / (double)b->n, "gflops",
                              s->flop / s->seconds / 1e9, "of_arithmetic_peak", of_arithmetic(b, s),
                              "gbytes_per_s", s->bytes / s->seconds / 1e9, "of_memory_peak",
                              of_memory(b, s), "bound", bench_bound(b, s)));
    }
    json_t *machine = json_pack("{sf sf sf sf ss}", "gflops_f32", b->machine.flop_s / 1e9,
                                "gflops_bf16", b->machine.bf16_s / 1e9, "gops_int8",
                                b->machine.int8_s / 1e9, "gbytes_per_s", b->machine.bytes_s / 1e9,
                                "version", at_version());
    return json_pack("{ss so ss si si si sI sf sf sf sf sf sf sf so so}", "schema",
                     "anytag.bench/1", "model", cli_json_text(at_model_name(b->model)), "precision",
                     at_model_precision(b->model), "threads", b->threads, "sessions", b->parallel,
                     "batch", b->batch, "images", (json_int_t)b->n, "median_ms",
                     bench_percentile(b, 0.5), "p90_ms", bench_percentile(b, 0.9), "p99_ms",
                     bench_percentile(b, 0.99), "min_ms", b->ms[0], "images_per_s",
                     bench_images_s(b), "cpu_ms", b->cpu_s * 1e3 / (double)b->n, "open_ms",
                     b->open_ms, "machine", machine, "stages", stages);
}

int bench_earlier(const char *path, json_t **then)
{
    json_error_t why;
    *then = json_load_file(path, 0, &why);
    if (json_number_value(json_object_get(*then, "median_ms")) > 0) return 0;
    return cli_usage("--compare: %s is no result of anytag bench -f json", path);
}

void bench_compare(const json_t *then, const bench *b)
{
    const double median = json_number_value(json_object_get(then, "median_ms"));
    const char *model = json_string_value(json_object_get(then, "model"));
    const double now = bench_percentile(b, 0.5);
    fprintf(stderr, "median %.2f ms, then %.2f ms: %.3f times as fast%s\n", now, median,
            median / now,
            model && strcmp(model, at_model_name(b->model)) != 0 ? " (another model)" : "");
}
