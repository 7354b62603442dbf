/* answer.c - what a client is told: a record a picture, a problem, or what a route has made. */
#include "serve/internal.h"

#include <stdlib.h>
#include <string.h>

void answer(request *r, int status, const char *type, char *body, size_t size)
{
    free(r->answer);
    r->status = status;
    r->type = type;
    r->answer = body;
    r->answer_size = size;
}

static void answer_value(request *r, json_t *value, size_t digits)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(digits)) : NULL;
    json_decref(value);
    if (text)
        answer(r, 200, "application/json", text, strlen(text));
    else
        (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the answer");
}

void answer_json(request *r, json_t *value)
{
    answer_value(r, value, 6);
}

void answer_exact(request *r, json_t *value)
{
    answer_value(r, value, 9);
}

void answer_problem(request *r)
{
    const int what = r->problem.what;
    if (problem_http(what) == 429 || problem_http(what) == 503) r->retry_after = 1;
    if (r->route && r->route->as) { // errors in the words of the program that asks
        json_t *o = r->route->as->refuse(r, problem_http(what));
        char *said = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        answer(r, problem_http(what), "application/json", said, said ? strlen(said) : 0);
        return;
    }
    char *text = problem_json(&r->problem, r->id);
    answer(r, problem_http(what), "application/problem+json", text, text ? strlen(text) : 0);
}

/* --- records --------------------------------------------------------------------------------------------- */

static at_status to_stream(void *user, const void *data, size_t size, at_error *err)
{
    (void)err;
    return fwrite(data, 1, size, user) == size ? AT_OK : AT_E_OUT_OF_MEMORY;
}

bool put_record(request *r, const picture *p, const char *format, bool excel, FILE *to)
{
    const at_server *s = r->s;
    const result *x = p->result;
    const bool bad = p->error.status != AT_OK;
    at_writer *w = NULL;
    at_record_box *boxes = NULL;
    at_error err = {0};
    const at_writer_options o = {
        .struct_size = sizeof o, .all_scores = r->want.scores, .excel = excel};
    at_record record = {.struct_size = sizeof record,
                        .name = p->name,
                        .error = bad ? &p->error : NULL,
                        .image = bad ? NULL : x->image,
                        .decode_ms = p->decode_ms,
                        .total_ms = (now_s() - r->began) * 1e3};
    if (!bad) {
        record.tags = x->tags ? x->tags : at_captions_tags(x->captions);
        record.captions = x->captions;
        record.model = x->tags ? s->tag : s->caption;
        record.caption_model = x->tags && x->captions ? s->caption : NULL;
    }
    record.seen = !bad && x->tags && r->want.boxes;
    if (record.seen) record.boxes = boxes = heatmap_boxes(r, x, &record.n_boxes);
    const bool ok = (boxes || !record.seen) &&
                    at_writer_open(format, &o, to_stream, to, &w, &err) == AT_OK &&
                    at_writer_add(w, &record, &err) == AT_OK && at_writer_finish(w, &err) == AT_OK;
    at_writer_close(w);
    free(boxes);
    return ok;
}

void answer_records(request *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    bool ok = f != NULL;
    const bool many = r->n_pictures > 1;
    if (ok && many) fputs("{\"results\":[\n", f);
    for (size_t i = 0; ok && i < r->n_pictures; i++) {
        if (i) fputc(',', f);
        ok = put_record(r, r->pictures[i], "jsonl", false, f);
    }
    if (ok && many) fputs("]}\n", f);
    if (f && fclose(f) != 0) ok = false;
    if (ok) {
        answer(r, 200, "application/json", text, size);
        return;
    }
    free(text);
    (void)fail(&r->problem, AT_E_OUT_OF_MEMORY, "no memory for the answer");
}

/* What stops one picture alone is the request's problem; of several, it is in its record. */
void answer_find_problem(request *r)
{
    static const int why[] = {0, P_CLIENT_CLOSED, P_TIMEOUT, P_STOPPING};
    static const char *const text[] = {"", "the client has gone", "no answer within the time limit",
                                       "the server stops"};
    const int drop = atomic_load(&r->drop);
    for (size_t i = 0; i < r->n_pictures && !r->problem.what; i++) {
        const picture *p = r->pictures[i];
        if (p->dropped) (void)fail(&r->problem, why[drop], "%s", text[drop]);
        if (p->error.status == AT_OK || r->n_pictures > 1) continue;
        if (p->what) (void)fail(&r->problem, p->what, "%s", p->error.text);
        if (p->error.status == AT_E_IMAGE_TOO_LARGE) {
            const uint64_t most = r->s->o.image.max_pixels;
            r->problem.extra = json_pack("{sI}", "limit_pixels",
                                         (json_int_t)(most ? most : 120000000));
        }
        (void)fail_error(&r->problem, &p->error);
        if (p->in_crop) problem_point(&r->problem, "crop");
        if (p->at[0]) problem_point_to(&r->problem, p->at);
    }
}
