/* serve.h - the HTTP server as the program sees it.
 *
 *     at_server_open(&config, &server, &err);      listens; /health says "loading"
 *     at_server_use(server, model, NULL, NULL, &err);
 *     while (!stopped) at_server_tick(server);     serves; call it about ten times a second
 *     at_server_close(server);                     finishes what is running, then frees
 *
 * The server uses the public API alone and is no part of libanytag. Models and encoder stay the caller's and
 * must outlive it. */
#ifndef ANYTAG_SERVE_SERVE_H
#define ANYTAG_SERVE_SERVE_H

#include <anytag/encoder.h>
#include <anytag/image.h>
#include <anytag/model.h>
#include <stdbool.h>

typedef struct at_server at_server;

/* What happened to one request; all borrowed. */
typedef struct at_serve_event {
    const char *id, *remote, *method, *route; // the template, or "-" for none
    const char *code;                         // of a problem; NULL
    const char *detail;                       // what the client is not told, or NULL
    int status;
    double ms;
    uint64_t in, out; // bytes of the bodies
} at_serve_event;

/* Routes in the words of other programs, which are there beside our own. */
enum {
    AT_COMPAT_PHOTOPRISM = 1,
    AT_COMPAT_LABEL_STUDIO = 2,
    AT_COMPAT_IMMICH = 4,
    AT_COMPAT_ALL = 7
};

typedef struct at_serve_config {
    const char *host;        // NULL: 127.0.0.1; ends with .sock: a unix socket of that path
    int port;                // 0: any free one
    const char *prefix;      // of every path, "/anytag"; NULL: none
    const char *const *keys; // [n_keys]; any of them opens the server
    size_t n_keys;
    bool no_auth;                   // listen beyond loopback without a key
    bool no_ui;                     // no web page at /
    const char *ui_dir;             // its files from this folder, not the program's; NULL
    bool metrics_public;            // /metrics needs no key
    const char *tls_cert, *tls_key; // PEM, the text itself; NULL: plain HTTP
    uint64_t max_body;              // 0: 64 MiB
    uint64_t max_jobs; // bytes of all jobs, pictures and records; 0: 256 MiB, at least 4 x max_body
    unsigned compat;   // AT_COMPAT_...
    const char *media_root;   // pictures below it may be named by path; NULL: none
    const char *allow_urls;   // "a.org,b.org:8080": pictures there may be named by URL; NULL: none
    const char *cors_origins; // "https://a.org,http://localhost:3000"; NULL: none
    const char *label_studio_url,
        *label_studio_key;  // where Label Studio's pictures are; NULL: nowhere
    uint64_t max_cache;     // bytes; 0: no cache
    at_image_options image; // limits of a picture
    int queue;              // pictures waiting at most; 0: 64
    // sessions of a model; 0: 1, of a small model one a thread, 8 at most. Threads of all; 0: at_cpu_count()
    int parallel, threads;
    int batch, batch_wait_ms;                           // 0: 4; < 0: 5
    int timeout_s;                                      // a connection without traffic; 0: 60
    void (*event)(void *user, const at_serve_event *e); // called from any thread
    at_log_fn log;
    void *user;
} at_serve_config;

/* Listens. `config` and what it points to is kept until at_server_close().
 * AT_E_INVALID_PARAMETER (a host without a key ...), AT_E_OUTPUT_FAILED (the address is taken). */
at_status at_server_open(const at_serve_config *config, at_server **server, at_error *err);
/* The address people can open: "http://127.0.0.1:8080" */
const char *at_server_url(const at_server *server);
/* From now on requests are answered.   tag, caption  models, NULL: that task is not there
 *   encoder  makes labels of words for the model that tags; NULL: none */
at_status at_server_use(at_server *server, at_model *tag, at_model *caption, at_encoder *encoder,
                        at_error *err);
/* Closes connections that are too slow, drops work nobody waits for; sleeps a tenth of a second. */
void at_server_tick(at_server *server);
/* Stops listening, finishes running requests (10 s at most), frees. */
void at_server_close(at_server *server);

/* Tells systemd, if it is there, "READY=1" or "STOPPING=1". */
void at_serve_notify(const char *state);

#endif
