/* request - fuzz target of the server: any bytes on a connection. A server with a tiny model listens on a unix socket of
 * this process. An input that begins with a letter is what a client sends; one that begins with a byte below
 * `sizeof heads` is a body, behind the headers of that number, so that every change of it reaches its reader.
 *
 * Whatever comes, the server answers in HTTP or closes; it never says that it has failed itself, and goes on. */
#include "../tiny_model.h"
#include "serve/serve.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FORM "Content-Type: multipart/form-data; boundary=xXx\r\n"
#define JSON "Content-Type: application/json\r\n"
static const char *const heads[] = {
    "POST /v1/tag HTTP/1.1\r\n" FORM,
    "POST /v1/tag HTTP/1.1\r\n" JSON,
    "POST /v1/analyze HTTP/1.1\r\nContent-Type: image/png\r\n",
    "POST /v1/heatmap HTTP/1.1\r\n" FORM,
    "POST /v1/heatmap HTTP/1.1\r\n" JSON,
    "POST /v1/embed HTTP/1.1\r\n" JSON,
    "POST /predict HTTP/1.1\r\n" JSON,
    "POST /predict HTTP/1.1\r\n" FORM,
    "POST /setup HTTP/1.1\r\n" JSON,
    "POST /webhook HTTP/1.1\r\n" JSON,
    "POST /api/v1/vision/labels HTTP/1.1\r\n" JSON,
    "POST /v1/jobs HTTP/1.1\r\n" JSON,
    "POST /v1/jobs HTTP/1.1\r\n" FORM,
    "POST /v1/tag HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FORM,
    "POST /v1/tag HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" JSON,
};
enum { HEADS = sizeof heads / sizeof heads[0] };

static struct {
    char folder[64], socket[96], model[96];
    at_model *tag;
    at_server *server;
    pthread_t ticks;
    atomic_bool stop;
} self;

static void check(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "request: %s\n", what);
    abort();
}

static void *ticking(void *user)
{
    while (!atomic_load(&self.stop))
        at_server_tick(self.server);
    return user;
}

static void stop(void)
{
    atomic_store(&self.stop, true);
    pthread_join(self.ticks, NULL);
    at_server_close(self.server);
    at_model_close(self.tag);
    (void)unlink(self.model);
    (void)rmdir(self.folder);
}

static void start(void)
{
    at_error err = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    // here, so that it ends behind the server's threads and leaves nothing in one of them
    (void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
    (void)snprintf(self.folder, sizeof self.folder, "/tmp/anytag-request-XXXXXX");
    check(mkdtemp(self.folder) != NULL, "no folder");
    (void)snprintf(self.socket, sizeof self.socket, "%s/a.sock", self.folder);
    (void)snprintf(self.model, sizeof self.model, "%s/tiny.gguf", self.folder);
    check(tiny_model_write(self.model, "ram_plus", &err) == AT_OK, err.text);
    check(at_model_open(self.model, NULL, &self.tag, &err) == AT_OK, err.text);
    static at_serve_config c; // zeroes: what is not said
    c.host = self.socket;
    c.compat = AT_COMPAT_ALL;
    c.max_body = 1 << 20;
    c.max_cache = 1 << 20;
    c.media_root = self.folder;
    c.image.max_pixels = 1 << 20; // a header may ask for no more
    c.threads = 1;
    check(at_server_open(&c, &self.server, &err) == AT_OK, err.text);
    check(at_server_use(self.server, self.tag, NULL, NULL, &err) == AT_OK, err.text);
    check(pthread_create(&self.ticks, NULL, ticking, NULL) == 0, "no thread");
    (void)atexit(stop);
}

static void put(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size) {
        const ssize_t n = send(fd, p, size, 0);
        if (n <= 0) return; // refused already
        p += n, size -= (size_t)n;
    }
}

static void put_body(int fd, const uint8_t *data, size_t size)
{
    char head[512];
    const char *first = heads[data[0]];
    const bool chunked = strstr(first, "chunked");
    const int n =
        chunked ? snprintf(head, sizeof head, "%sConnection: close\r\n\r\n%zx\r\n", first, size - 1)
                : snprintf(head, sizeof head, "%sConnection: close\r\nContent-Length: %zu\r\n\r\n",
                           first, size - 1);
    put(fd, head, (size_t)n);
    put(fd, data + 1, size - 1);
    if (chunked) put(fd, "\r\n0\r\n\r\n", 7);
}

/* The first answer is one, and no "500". */
static void listen_to(int fd)
{
    char text[65536];
    size_t n = 0;
    for (;;) {
        const size_t room = sizeof text - 1 - n;
        const ssize_t got = recv(fd, text + (room ? n : 64), room ? room : sizeof text - 65, 0);
        if (got <= 0) break; // closed, or nothing more within the time
        if (room) n += (size_t)got;
    }
    text[n] = 0;
    if (n < 12) return;
    check(strncmp(text, "HTTP/1.", 7) == 0, text);
    check(text[9] >= '1' && text[9] <= '5' && strncmp(text + 9, "500", 3) != 0, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    // a client of half a request hears nothing, and goes
    const bool body = size && data[0] < HEADS;
    const struct timeval most = {.tv_sec = body ? 5 : 0, .tv_usec = body ? 0 : 10000};
    if (!self.server) start();
    if (size == 0 || size > 1 << 18) return 0;
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(a.sun_path, self.socket, sizeof self.socket);
    check(fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0, "nobody answers");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    if (body)
        put_body(fd, data, size);
    else
        put(fd, data, size);
    if (!body && size % 2) (void)shutdown(fd, SHUT_WR);
    listen_to(fd);
    (void)close(fd);
    return 0;
}
