/* cmd_serve.c - anytag serve: models, keys and certificates of the options; the server is src/serve. */
#include "cli.h"

#if ANYTAG_WITH_SERVE
#include "serve/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 1024, KEY_LEAST = 8 };

typedef struct serving {
    at_model *tag, *caption;
    at_encoder *encoder;
    char *keys_text, *cert, *key;
    const char *keys[KEYS];
    size_t n_keys;
} serving;

/* A small file as text; freed by the caller. 0 or an exit code. */
static int read_text(const char *option, const char *path, char **text)
{
    FILE *f = fopen(path, "rb");
    const size_t most = 1 << 20;
    *text = f ? calloc(1, most + 1) : NULL;
    const size_t n = *text ? fread(*text, 1, most, f) : 0;
    const bool bad = !*text || ferror(f) || n == most || memchr(*text, 0, n);
    if (f) (void)fclose(f);
    return bad ? cli_usage("--%s: %s cannot be read (%s)", option, path,
                           f ? "not a text" : strerror(errno))
               : 0;
}

/* One a line; # begins a note. A key is not echoed, whatever is wrong with it. */
static int read_keys(const cli_options *o, serving *s)
{
    const char *given = getenv("ANYTAG_API_KEY");
    if (given && *given) {
        s->keys[s->n_keys++] = given;
        cli_warn("a key is taken from ANYTAG_API_KEY, which other programs of this user can read; "
                 "--api-key-file is safer");
    }
    int code = o->api_key_file ? read_text("api-key-file", o->api_key_file, &s->keys_text) : 0;
    char *save = NULL;
    for (char *k = code || !s->keys_text ? NULL : strtok_r(s->keys_text, "\r\n", &save); k && !code;
         k = strtok_r(NULL, "\r\n", &save)) {
        k += strspn(k, " \t");
        for (char *end = k + strlen(k); end > k && strchr(" \t", end[-1]);)
            *--end = 0;
        if (!*k || *k == '#') continue;
        if (s->n_keys == KEYS) code = cli_usage("--api-key-file: more than %d keys", KEYS);
        if (!code && strlen(k) < KEY_LEAST)
            code = cli_usage("--api-key-file: %s has a key of fewer than %d letters",
                             o->api_key_file, KEY_LEAST);
        if (!code) s->keys[s->n_keys++] = k;
    }
    if (!code && o->api_key_file && s->n_keys == 0)
        code = cli_usage("--api-key-file: %s has no key", o->api_key_file);
    return code;
}

static int read_tls(const cli_options *o, serving *s)
{
    if (!o->tls_cert != !o->tls_key) return cli_usage("--tls-cert and --tls-key go together");
    int code = o->tls_cert ? read_text("tls-cert", o->tls_cert, &s->cert) : 0;
    if (!code && o->tls_key) code = read_text("tls-key", o->tls_key, &s->key);
    return code;
}

static int open_models(const cli_options *o, serving *s)
{
    int code = cli_open_model_for(o, "tag", &s->tag);
    if (code) return code;
    if (!o->caption_model && o->model && at_model_captions(s->tag)) {
        s->caption = s->tag;
    } else {
        cli_options other = *o;
        other.model = o->caption_model;
        code = cli_open_model_for(&other, "caption", &s->caption);
        if (code) return code;
        if (!at_model_captions(s->caption))
            return cli_error(AT_E_MODEL_UNSUPPORTED, "--caption-model: %s writes no captions",
                             at_model_name(s->caption));
        if (strcmp(at_model_sha256(s->tag), at_model_sha256(s->caption)) == 0) {
            at_model_close(s->caption); // the same file: once in memory
            s->caption = s->tag;
        }
    }
    char *path = NULL;
    at_error err = {0};
    const size_t width = at_model_label_width(s->tag);
    if (width) code = cli_find_encoder(o, width, &path);
    const at_model_options mo = {
        .struct_size = sizeof mo, .threads = (int)o->threads, .log = cli_log};
    if (!code && path && at_encoder_open(path, &mo, &s->encoder, &err) != AT_OK)
        code = cli_fail(&err);
    free(path);
    return code;
}

static void on_event(void *user, const at_serve_event *e)
{
    char text[512];
    (void)user;
    (void)snprintf(text, sizeof text, "%s %s %s %d %.1f ms %s%s%s", e->remote, e->method, e->route,
                   e->status, e->ms, e->id, e->code ? " " : "", e->code ? e->code : "");
    json_t *fields = json_pack("{ss ss ss ss si sf sI sI}", "id", e->id, "remote", e->remote,
                               "method", e->method, "route", e->route, "status", e->status, "ms",
                               e->ms, "bytes_in", (json_int_t)e->in, "bytes_out",
                               (json_int_t)e->out);
    if (e->code) (void)json_object_set_new(fields, "code", json_string(e->code));
    if (e->detail) (void)json_object_set_new(fields, "detail", cli_json_text(e->detail));
    cli_log_fields(e->status >= 500 ? AT_LOG_WARNING : AT_LOG_INFO, text, fields);
}

/* "photoprism,immich" as bits; false: a word that is none. */
static bool read_compat(const char *list, unsigned *compat)
{
    static const struct {
        const char *name;
        unsigned bits;
    } known[] = {{"photoprism", AT_COMPAT_PHOTOPRISM},
                 {"labelstudio", AT_COMPAT_LABEL_STUDIO},
                 {"immich", AT_COMPAT_IMMICH},
                 {"none", 0}};
    enum { KNOWN = sizeof known / sizeof known[0] };
    *compat = list ? 0 : AT_COMPAT_ALL;
    for (const char *w = list; w; w = strchr(w, ',') ? strchr(w, ',') + 1 : NULL) {
        const size_t n = strcspn(w, ",");
        size_t i = 0;
        while (i < KNOWN && (strlen(known[i].name) != n || strncmp(known[i].name, w, n) != 0))
            i++;
        if (i == KNOWN) return false;
        *compat |= known[i].bits;
    }
    return true;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static at_serve_config config_of(const cli_options *o, const serving *s)
{
    unsigned compat;
    (void)read_compat(o->compat, &compat);
    return (at_serve_config){
        .compat = compat,
        .media_root = o->media_root,
        .allow_urls = o->allow_urls,
        .cors_origins = o->cors_origins,
        .label_studio_url = environment("LABEL_STUDIO_URL"),
        .label_studio_key = environment("LABEL_STUDIO_API_KEY"),
        .host = o->host,
        .port = cli_given(o, "serve", "port") ? (int)o->port : 8080,
        .prefix = o->api_prefix,
        .keys = s->keys,
        .n_keys = s->n_keys,
        .no_auth = o->no_auth,
        .no_ui = o->no_ui,
        .ui_dir = o->ui_dir,
        .metrics_public = o->metrics_public,
        .tls_cert = s->cert,
        .tls_key = s->key,
        .max_body = (uint64_t)o->max_body,
        .max_jobs = (uint64_t)o->max_jobs,
        .max_cache = cli_given(o, "serve", "cache") ? (uint64_t)o->cache : (uint64_t)256 << 20,
        .image = cli_image_options(o, NULL),
        .queue = (int)o->queue,
        .parallel = (int)o->parallel,
        .threads = (int)o->threads,
        .batch = (int)o->batch,
        .batch_wait_ms = cli_given(o, "serve", "batch-wait") ? (int)o->batch_wait : -1,
        .timeout_s = (int)o->timeout,
        .event = on_event,
        .log = cli_log,
    };
}

static int check(const cli_options *o, size_t n)
{
    if (n) return cli_usage("serve takes no inputs; pictures come by HTTP");
    if (o->port > 65535) return cli_usage("--port: %ld is not in 0..65535", o->port);
    const struct {
        const char *name;
        long long value;
    } from_one[] = {{"parallel", o->parallel}, {"queue", o->queue},
                    {"batch", o->batch},       {"timeout", o->timeout},
                    {"max-body", o->max_body}, {"max-jobs", o->max_jobs}};
    for (size_t i = 0; i < sizeof from_one / sizeof *from_one; i++) // the library: 0 is the default
        if (!from_one[i].value && cli_given(o, "serve", from_one[i].name))
            return cli_usage("--%s: 0 is not possible; leave it out for the default",
                             from_one[i].name);
    if (o->parallel > 64 || o->batch > 64 || o->queue > 100000 || o->batch_wait > 10000 ||
        o->timeout > 86400)
        return cli_usage("--parallel, --batch, --queue, --batch-wait or --timeout is out of range "
                         "(64, 64, 100000, 10000, 86400)");
    unsigned compat;
    for (const char *w = o->cors_origins; w; w = strchr(w, ',') ? strchr(w, ',') + 1 : NULL) {
        const char *host = strstr(w, "://"), *end = w + strcspn(w, ",");
        if (!host || host >= end || memchr(host + 3, '/', (size_t)(end - host - 3)))
            return cli_usage("--cors-origins: \"%.*s\" is not like https://example.org",
                             (int)(end - w), w);
    }
    if (!read_compat(o->compat, &compat))
        return cli_usage(
            "--compat: \"%.60s\" has a word that is not photoprism, labelstudio, immich "
            "or none",
            o->compat);
    const char *p = o->api_prefix;
    if (p && (p[0] != '/' || !p[1] || p[strlen(p) - 1] == '/'))
        return cli_usage("--api-prefix: \"%.60s\" does not begin with / or ends with it", p);
    return 0;
}

static int run(const cli_options *o, serving *s, at_server **server)
{
    at_error err = {0};
    const at_serve_config config = config_of(o, s);
    // listening comes first, so that a taken port is told at once and /health can say "loading"
    if (at_server_open(&config, server, &err) != AT_OK) return cli_fail(&err);
    int code = open_models(o, s);
    if (code) return code;
    if (at_server_use(*server, s->tag, s->caption, s->encoder, &err) != AT_OK)
        return cli_fail(&err);
    printf("%s\n", at_server_url(*server));
    (void)fflush(stdout);
    at_serve_notify("READY=1");
    while (!cli_stopped())
        at_server_tick(*server);
    at_serve_notify("STOPPING=1");
    return cli_stopped() == 143 ? 0 : cli_stopped(); // SIGTERM is how a service is stopped
}

int cmd_serve(const cli_options *o, char **inputs, size_t n)
{
    (void)inputs;
    serving *s = calloc(1, sizeof *s);
    at_server *server = NULL;
    int code = s ? check(o, n) : 6;
    if (code == 0) code = read_keys(o, s);
    if (code == 0) code = read_tls(o, s);
    if (code == 0) {
        cli_stop_begin(o);
        code = run(o, s, &server);
    }
    at_server_close(server);
    if (!s) return code;
    at_encoder_close(s->encoder);
    if (s->caption != s->tag) at_model_close(s->caption);
    at_model_close(s->tag);
    free(s->keys_text);
    free(s->cert);
    free(s->key);
    free(s);
    return code;
}
#else
int cmd_serve(const cli_options *o, char **inputs, size_t n)
{
    (void)o, (void)inputs, (void)n;
    return cli_usage(
        "serve was left out of this build; install the Debian packages libmicrohttpd-dev "
        "libcurl4-openssl-dev libexpat1-dev (tools/deps.sh build does) and build again");
}
#endif
