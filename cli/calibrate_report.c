/* calibrate_report.c - thresholds as CSV, as a list, in a set; and how good they are, for people and as
 * JSON. */
#include "calibrate.h"

#include <stdlib.h>
#include <string.h>

enum { HOWS = 5, TIMES = 2 };
static const struct how {
    const char *name, *about;
} hows[HOWS] = {
    [AT_CALIBRATED_KEPT] = {"kept", "as they were"},
    [AT_CALIBRATED_MOVED] = {"moved", "moved with the others"},
    [AT_CALIBRATED_SHRUNK] = {"few", "few pictures, drawn to the others"},
    [AT_CALIBRATED_OWN] = {"own", "on their own pictures"},
    [AT_CALIBRATED_SILENT] = {"silent", "precision out of reach, silent"},
};

static bool deleted(const calibrate_result *r, size_t label)
{
    return !r->names->set && at_model_tag_deleted(r->names->model, label);
}

static bool ends(const char *text, const char *tail)
{
    const size_t n = strlen(text), k = strlen(tail);
    return n > k && strcmp(text + n - k, tail) == 0;
}

/* --- the thresholds ------------------------------------------------------------------------------------------ */

static void put_cell(FILE *to, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

/* 0.9 and not 0.899999976: as many digits as make the same float when they are read. */
static const char *digits(float v, char *out, size_t size)
{
    for (int n = 1; n <= 9; n++) {
        (void)snprintf(out, size, "%.*g", n, (double)v);
        if (strtof(out, NULL) == v) break;
    }
    return out;
}

static void put_csv(const calibrate_result *r, FILE *to)
{
    size_t twice = 0;
    char number[32];
    fputs("tag,threshold\n", to);
    for (size_t l = 0; l < r->names->n; l++) {
        if (deleted(r, l)) continue;
        put_cell(to, cli_names_of(r->names, l));
        fprintf(to, ",%s\n", digits(r->after[l], number, sizeof number));
        twice += r->names->same[l] >= 0;
    }
    if (twice)
        cli_warn("%zu names are those of two tags, and CSV speaks of the first; -o FILE.txt writes "
                 "a number for each tag",
                 twice);
}

static void put_list(const calibrate_result *r, FILE *to)
{
    char number[32];
    for (size_t l = 0; l < r->names->n; l++)
        fprintf(to, "%s\n",
                digits(deleted(r, l) ? at_model_threshold(r->names->model, l) : r->after[l], number,
                       sizeof number));
}

static int write_set(const calibrate_result *r)
{
    at_labels *better = NULL;
    at_error err = {0};
    int code = 0;
    if (at_labels_with_thresholds(r->names->set, r->after, &better, &err) != AT_OK ||
        at_labels_save(better, r->o->output, &err) != AT_OK)
        code = cli_fail(&err);
    at_labels_free(better);
    return code;
}

int calibrate_write(const calibrate_result *r)
{
    const char *path = r->o->output;
    const bool file = path && strcmp(path, "-") != 0;
    if (!file && cli_wants_json(r->o)) return 0; // it has them too
    if (file && ends(path, ".gguf")) return write_set(r);
    cli_output out;
    int code = cli_output_open(&out, path);
    if (code == 0) (file && ends(path, ".txt") ? put_list : put_csv)(r, out.file);
    at_error err = {0};
    if (code == 0 && file && cli_output_write(&out, "", 0, &err) != AT_OK) code = cli_fail(&err);
    const int closed = cli_output_close(&out, code == 0);
    return code ? code : closed;
}

/* --- how good they are --------------------------------------------------------------------------------------- */

typedef struct summary {
    size_t tags[HOWS], shown[HOWS]; // shown: with a picture that has them
    double f1[HOWS][TIMES];         // sums over the shown, before and after
    size_t all, all_shown, positives, said[TIMES], right[TIMES];
    double mean[TIMES][3], ap; // precision, recall, F1
} summary;

static summary sum_up(const calibrate_result *r)
{
    summary s = {0};
    for (size_t l = 0; l < r->names->n; l++) {
        if (deleted(r, l)) continue;
        const uint8_t how = r->how[l];
        s.all++;
        s.tags[how]++;
        if (!r->is) continue;
        const at_label_quality *q[TIMES] = {&r->was[l], &r->is[l]};
        for (int k = 0; k < TIMES; k++) {
            s.said[k] += q[k]->said;
            s.right[k] += q[k]->right;
            if (!q[k]->positives) continue;
            s.f1[how][k] += q[k]->f1;
            s.mean[k][0] += q[k]->precision;
            s.mean[k][1] += q[k]->recall;
            s.mean[k][2] += q[k]->f1;
        }
        s.positives += q[1]->positives;
        s.shown[how] += q[1]->positives > 0;
        s.all_shown += q[1]->positives > 0;
        s.ap += q[1]->ap;
    }
    for (int k = 0; k < TIMES && s.all_shown; k++) {
        for (int i = 0; i < 3; i++)
            s.mean[k][i] /= (double)s.all_shown;
    }
    if (s.all_shown) s.ap /= (double)s.all_shown;
    return s;
}

static double share(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* Precision, recall and F1 of all decisions together. */
static void together(const summary *s, int k, double out[3])
{
    out[0] = share(s->right[k], s->said[k]);
    out[1] = share(s->right[k], s->positives);
    out[2] = share(2 * s->right[k], s->said[k] + s->positives);
}

void calibrate_print_text(const calibrate_result *r, FILE *to)
{
    const summary s = sum_up(r);
    const calibrate_data *d = r->data;
    fprintf(to, "%s over %zu pictures of %zu tags", r->target, d->n_fit, s.all);
    if (d->n > d->n_fit) fprintf(to, "; figures of %zu pictures left out", d->n - d->n_fit);
    fprintf(to, "\n\n%-36s %5s", "thresholds", "tags");
    if (r->is) fprintf(to, "  %9s  %s", "with some", "mean F1: before  after");
    fputc('\n', to);
    for (int i = HOWS - 1; i >= 0; i--) {
        if (!s.tags[i]) continue;
        fprintf(to, "%-36s %5zu", hows[i].about, s.tags[i]);
        if (r->is) fprintf(to, "  %9zu", s.shown[i]);
        if (s.shown[i])
            fprintf(to, "  %15.3f  %5.3f", s.f1[i][0] / (double)s.shown[i],
                    s.f1[i][1] / (double)s.shown[i]);
        fputc('\n', to);
    }
    if (r->is) {
        static const char *const names[] = {"precision", "recall", "F1"};
        double was[3], is[3];
        together(&s, 0, was);
        together(&s, 1, is);
        fprintf(to, "%-36s %5zu  %9zu  %15.3f  %5.3f\n", "all", s.all, s.all_shown, s.mean[0][2],
                s.mean[1][2]);
        fprintf(to, "\n%-36s %9s  %9s\n", "", "before", "after");
        for (int i = 0; i < 3; i++)
            fprintf(to, "%-26s%-10s %9.3f  %9.3f\n", i ? "" : "mean of the tags,", names[i],
                    s.mean[0][i], s.mean[1][i]);
        for (int i = 0; i < 3; i++)
            fprintf(to, "%-26s%-10s %9.3f  %9.3f\n", i ? "" : "all together,", names[i], was[i],
                    is[i]);
    }
    fprintf(to, "%-36s %9.2f  %9.2f", "tags a picture", r->said_before, r->said_after);
    if (r->is) fprintf(to, "   (annotated: %.2f)", share(s.positives, r->measured));
    fputc('\n', to);
    if (r->is) fprintf(to, "%-36s %9.3f  (no threshold matters)\n", "mean average precision", s.ap);
}

static json_t *three(const double v[3])
{
    return json_pack("{s:f,s:f,s:f}", "precision", v[0], "recall", v[1], "f1", v[2]);
}

static json_t *quality(const at_label_quality *q)
{
    return json_pack("{s:I,s:I,s:f,s:f,s:f}", "said", (json_int_t)q->said, "right",
                     (json_int_t)q->right, "precision", q->precision, "recall", q->recall, "f1",
                     q->f1);
}

static json_t *figures(const calibrate_result *r, const summary *s, int k)
{
    double all[3];
    together(s, k, all);
    return json_pack("{s:o,s:o,s:f}", "mean", three(s->mean[k]), "together", three(all),
                     "tags_per_picture", k ? r->said_after : r->said_before);
}

int calibrate_print_json(const calibrate_result *r)
{
    const summary s = sum_up(r);
    const calibrate_data *d = r->data;
    json_t *root = json_pack("{s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:I}", "schema", "anytag.calibration/1",
                             "model", cli_json_text(at_model_name(r->names->model)), "model_sha256",
                             at_model_sha256(r->names->model), "target", r->target, "min_positives",
                             (json_int_t)r->min_positives, "pictures", (json_int_t)d->n_fit,
                             "pictures_left_out", (json_int_t)(d->n - d->n_fit),
                             "pictures_measured", (json_int_t)r->measured);
    json_t *counts = json_object(), *tags = json_array();
    for (int i = HOWS - 1; i >= 0; i--)
        (void)json_object_set_new(counts, hows[i].name, json_integer((json_int_t)s.tags[i]));
    (void)json_object_set_new(root, "tags_by_threshold", counts);
    if (r->is) {
        (void)json_object_set_new(root, "tags_measured", json_integer((json_int_t)s.all_shown));
        (void)json_object_set_new(root, "map", json_real(s.ap));
        (void)json_object_set_new(root, "before", figures(r, &s, 0));
        (void)json_object_set_new(root, "after", figures(r, &s, 1));
    } else {
        (void)json_object_set_new(root, "before",
                                  json_pack("{s:f}", "tags_per_picture", r->said_before));
        (void)json_object_set_new(root, "after",
                                  json_pack("{s:f}", "tags_per_picture", r->said_after));
    }
    for (size_t l = 0; l < r->names->n; l++) {
        if (deleted(r, l)) continue;
        json_t *tag = json_pack("{s:I,s:o,s:f,s:f,s:s}", "id", (json_int_t)l, "tag",
                                cli_json_text(cli_names_of(r->names, l)), "threshold_before",
                                (double)r->before[l], "threshold", (double)r->after[l], "from",
                                hows[r->how[l]].name);
        if (r->is) {
            const at_label_quality *q = &r->is[l];
            (void)json_object_set_new(tag, "positives", json_integer((json_int_t)q->positives));
            (void)json_object_set_new(tag, "negatives", json_integer((json_int_t)q->negatives));
            (void)json_object_set_new(tag, "ap", q->positives ? json_real(q->ap) : json_null());
            (void)json_object_set_new(tag, "before", quality(&r->was[l]));
            (void)json_object_set_new(tag, "after", quality(q));
        }
        (void)json_array_append_new(tags, tag);
    }
    (void)json_object_set_new(root, "tags", tags);
    return cli_print_json(root);
}
