/* files_stream.c - pictures worked on while folders and lists are still being read (--sort none): a thread
 * finds them, readers wait for the one they want. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cli_stream {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    pthread_t thread;
    cli_files *files;
    const cli_options *o;
    char **inputs;
    size_t n;
    bool over, given_up;
    int code;
};

void cli_files_lock(cli_files *f)
{
    if (f->stream) pthread_mutex_lock(&f->stream->lock);
}

void cli_files_unlock(cli_files *f)
{
    if (!f->stream) return;
    pthread_cond_broadcast(&f->stream->grown);
    pthread_mutex_unlock(&f->stream->lock);
}

bool cli_files_given_up(cli_files *f)
{
    if (!f->stream) return false;
    pthread_mutex_lock(&f->stream->lock);
    const bool up = f->stream->given_up || cli_stopped();
    pthread_mutex_unlock(&f->stream->lock);
    return up;
}

static void *find(void *user)
{
    cli_stream *s = user;
    const int code = cli_files_find_all(s->files, s->o, s->inputs, s->n);
    pthread_mutex_lock(&s->lock);
    s->code = code;
    s->over = true;
    pthread_cond_broadcast(&s->grown);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int cli_files_stream(cli_files *f, const cli_options *o, char **inputs, size_t n)
{
    const int code = cli_files_begin(f, o, n);
    if (code) return code;
    cli_stream *s = calloc(1, sizeof *s);
    if (!s) return 6;
    *s = (cli_stream){.files = f, .o = o, .inputs = inputs, .n = n};
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->grown, NULL);
    f->stream = s;
    if (pthread_create(&s->thread, NULL, find, s) == 0) return 0;
    f->stream = NULL;
    free(s);
    return cli_files_find_all(f, o, inputs, n); // as without --sort none
}

const char *cli_files_path(cli_files *f, size_t i)
{
    cli_stream *s = f->stream;
    if (!s) return i < f->n ? f->paths[i] : NULL;
    pthread_mutex_lock(&s->lock);
    while (i >= f->n && !s->over)
        pthread_cond_wait(&s->grown, &s->lock);
    const char *path = i < f->n ? f->paths[i]
                                : NULL; // the text stays where it is, the array may move
    pthread_mutex_unlock(&s->lock);
    return path;
}

size_t cli_files_found(cli_files *f, bool *all)
{
    cli_stream *s = f->stream;
    *all = true;
    if (!s) return f->n;
    pthread_mutex_lock(&s->lock);
    *all = s->over;
    const size_t n = f->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int cli_files_end(cli_files *f)
{
    cli_stream *s = f->stream;
    if (!s) return 0;
    pthread_mutex_lock(&s->lock);
    s->given_up = true; // of what nobody waits for
    pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    const int code = s->code;
    (void)pthread_cond_destroy(&s->grown);
    (void)pthread_mutex_destroy(&s->lock);
    f->stream = NULL;
    free(s);
    return code;
}

/* --- lines of a list that may come slowly ----------------------------------------------------------------- */

/* Waits in steps, so that a run that is stopped ends although the list's writer is silent. */
static ssize_t read_some(cli_lines *l)
{
    enum { STEP_MS = 100 };
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    while (!cli_files_given_up(l->files)) {
        const int ready = poll(&p, 1, STEP_MS);
        if (ready < 0 && errno != EINTR) return -1;
        if (ready <= 0) continue;
        const ssize_t n = read(l->fd, l->text + l->len, l->cap - l->len);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return n;
    }
    return 0;
}

/* The next line without its end, NULL: there is none. Valid until the next call. */
char *cli_lines_next(cli_lines *l, int end)
{
    if (l->at) memmove(l->text, l->text + l->at, l->len - l->at);
    l->len -= l->at;
    l->at = 0;
    for (size_t seen = 0;;) {
        char *stop = l->len > seen ? memchr(l->text + seen, end, l->len - seen) : NULL;
        if (stop) {
            *stop = 0;
            l->at = (size_t)(stop - l->text) + 1;
            return l->text;
        }
        seen = l->len;
        if (l->len + 1 >= l->cap) {
            char *more = realloc(l->text, l->cap ? 2 * l->cap : 4096);
            if (!more) return NULL;
            l->text = more;
            l->cap = l->cap ? 2 * l->cap : 4096;
        }
        l->cap--; // room for the last line's end
        const ssize_t n = read_some(l);
        l->cap++;
        if (n > 0) {
            l->len += (size_t)n;
            continue;
        }
        if (l->len == 0) return NULL;
        l->text[l->len] = 0;
        l->at = l->len;
        return l->text;
    }
}
