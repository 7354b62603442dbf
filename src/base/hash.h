/* hash.h - SHA-256 (through libcrypto) of memory and of files. */
#ifndef AT_BASE_HASH_H
#define AT_BASE_HASH_H

#include "base/base.h"

#define AT_SHA256_HEX 65 // 64 hexadecimal digits and a NUL

at_status at_sha256(const void *data, size_t size, char hex[AT_SHA256_HEX], at_error *err);
/* Reads the file in small blocks, so that its pages do not count as ours. */
at_status at_sha256_file(const char *path, char hex[AT_SHA256_HEX], at_error *err);

#endif
