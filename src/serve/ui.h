/* ui.h - the files of the web page as the build put them into the program. */
#ifndef ANYTAG_SERVE_UI_H
#define ANYTAG_SERVE_UI_H

#include <stddef.h>

typedef struct ui_file {
    const char *path, *type; // "app.js"
    const char *sha256;      // of the bytes, hex
    const unsigned char *bytes;
    size_t size;
    const unsigned char *gzip; // NULL: does not shrink
    size_t gzip_size;
} ui_file;

extern const ui_file ui_files[]; // the last has no path

#endif
