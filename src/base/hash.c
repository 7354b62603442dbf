/* hash.c - see hash.h */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

static at_status finish(EVP_MD_CTX *ctx, char hex[AT_SHA256_HEX], at_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(ctx, digest, &len) != 1 || len != 32)
        return at_fail(err, AT_E_INTERNAL, "SHA-256 failed");
    for (unsigned i = 0; i < len; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
    return AT_OK;
}

static at_status start(EVP_MD_CTX **out, at_error *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx) return at_fail(err, AT_E_OUT_OF_MEMORY, "SHA-256: no memory");
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        // every libcrypto has SHA-256; without memory it says that it has not
        return at_fail(err, AT_E_OUT_OF_MEMORY, "SHA-256: libcrypto could not begin, no memory");
    }
    *out = ctx;
    return AT_OK;
}

at_status at_sha256(const void *data, size_t size, char hex[AT_SHA256_HEX], at_error *err)
{
    EVP_MD_CTX *ctx = NULL;
    at_status st = start(&ctx, err);
    if (st) return st;
    st = EVP_DigestUpdate(ctx, data, size) == 1 ? finish(ctx, hex, err)
                                                : at_fail(err, AT_E_INTERNAL, "SHA-256 failed");
    EVP_MD_CTX_free(ctx);
    return st;
}

at_status at_sha256_file(const char *path, char hex[AT_SHA256_HEX], at_error *err)
{
    enum { BLOCK = 1 << 20 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return at_fail(err, at_status_of_errno(errno), "%s: cannot open (%s)", path,
                       strerror(errno));
    EVP_MD_CTX *ctx = NULL;
    char *block = at_alloc(NULL, BLOCK);
    at_status st = block ? start(&ctx, err)
                         : at_fail(err, AT_E_OUT_OF_MEMORY, "SHA-256: no memory");
    while (!st) {
        const ssize_t n = read(fd, block, BLOCK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            st = at_fail(err, at_status_of_errno(errno), "%s: cannot read (%s)", path,
                         strerror(errno));
        if (n <= 0) break;
        if (EVP_DigestUpdate(ctx, block, (size_t)n) != 1)
            st = at_fail(err, AT_E_INTERNAL, "SHA-256 failed");
    }
    if (!st) st = finish(ctx, hex, err);
    EVP_MD_CTX_free(ctx);
    at_free(NULL, block);
    close(fd);
    return st;
}
