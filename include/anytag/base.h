/* anytag/base.h - what every other header stands on: status, error text, memory, log, version.
 *
 *     at_error err = {0};
 *     if (at_model_open(path, NULL, &model, &err) != AT_OK)
 *         fprintf(stderr, "%s (%s)\n", err.text, at_status_code(err.status));
 *
 * Every pointer in these headers carries one of four words:
 *     borrows  read during the call, nothing is kept
 *     keeps    must stay valid until the named object is closed; the caller still owns it
 *     takes    handed over; the caller must not touch it again, even after an error
 *     returns  the caller owns it from now on and frees it with the named function
 *
 * Every option struct begins with struct_size: set it to the struct's sizeof. Zero is the default of
 * every other field, NULL of the whole struct. A program may be built against older headers than the
 * library; against newer ones as long as it sets no field that the library does not know.
 *
 * The library never exits, aborts, prints, or changes a global setting of the host program.
 */
#ifndef ANYTAG_BASE_H
#define ANYTAG_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#define AT_C_BEGIN extern "C" {
#define AT_C_END   }
#else
#define AT_C_BEGIN
#define AT_C_END
#endif

#if defined(__GNUC__)
#define AT_API __attribute__((visibility("default")))
#else
#define AT_API
#endif

AT_C_BEGIN

#define AT_VERSION_MAJOR 0
#define AT_VERSION_MINOR 1
#define AT_VERSION_PATCH 0

/* The result of every call that can fail. AT_OK is 0; the others are listed in errors.def. */
typedef enum at_status {
    AT_OK = 0,
#define E(name, number, code, exit_code, http) AT_E_##name = number,
#include "anytag/errors.def"
#undef E
    AT_STATUS_COUNT_ /* not a status: one more than the last number */
} at_status;

/* Filled on failure: what was found, what was expected, where, and what to do. The caller's own
 * struct, so that it is right with any number of threads. Zero it before the first use. */
typedef struct at_error {
    at_status status;
    char text[1020]; /* UTF-8, one line, no final dot or line feed */
} at_error;

/* "image-too-large" for AT_E_IMAGE_TOO_LARGE, "ok" for AT_OK. A static string, never NULL. */
AT_API const char *at_status_code(at_status status);
/* Exit code of a program that stops because of `status`: 0 for AT_OK, see `anytag help exit-codes`. */
AT_API int at_status_exit_code(at_status status);

/* The caller's memory. All three or none are set; called from any thread the library runs on.
 *   alloc    `size` bytes aligned to `align` (a power of two, at most 64), or NULL
 *   release  frees what alloc gave; `ptr` may be NULL
 *   user     passed through; keeps */
typedef struct at_allocator {
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*release)(void *user, void *ptr);
    void *user;
} at_allocator;

typedef enum at_log_level {
    AT_LOG_ERROR = 0,
    AT_LOG_WARNING = 1,
    AT_LOG_INFO = 2,
    AT_LOG_DEBUG = 3
} at_log_level;

/* Gets what the library has to say; `text` is one line, borrowed. Called from any thread. */
typedef void (*at_log_fn)(void *user, at_log_level level, const char *text);

/* "0.1.0" */
AT_API const char *at_version(void);

/* One line a fact: version, instruction sets found and used, kernel -> level, codecs compiled in.
 * Writes at most `size` bytes with a final NUL; returns the length without it that the whole text
 * needs, as snprintf does. */
AT_API size_t at_build_info(char *text, size_t size);

/* Cores this thread may use: those of its affinity mask, hyper-threads not counted, at most the control
 * group's quota; at least 1. The default number of threads. */
AT_API int at_cpu_count(void);

/* A file for a writer alone, created or emptied, to be renamed when it is whole (out.part): a lock, gone with the
 * descriptor that it returns, keeps another run on the same output away. -1 with errno; EWOULDBLOCK: it is
 * another's. A file system without locks is written as it is. */
AT_API int at_part_open(const char *path);

AT_C_END
#endif
