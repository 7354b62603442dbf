/* main.c - bench_image FILE SIDE: for each line on stdin, reads and resizes the picture once and prints
 * the seconds of decoding and of resizing. */
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    const int side = argc == 3 ? atoi(argv[2]) : 0;
    uint8_t *out = side > 0 ? at_alloc(NULL, (size_t)side * (size_t)side * 3) : NULL;
    if (!out) {
        fprintf(stderr, "usage: bench_image FILE SIDE\n");
        return 2;
    }
    char line[16];
    while (fgets(line, sizeof line, stdin)) {
        at_image *image = NULL;
        at_error err = {0};
        const double start = now();
        at_status status = at_image_read(argv[1], NULL, &image, &err);
        const double decoded = now();
        if (status == AT_OK)
            status = at_resize_bilinear(image->rgb, image->width, image->height, out, side, side,
                                        NULL, &err);
        if (status != AT_OK) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        const double resized = now();
        at_image_free(image);
        printf("%.6f %.6f\n", decoded - start, resized - decoded);
        fflush(stdout);
    }
    at_free(NULL, out);
    return 0;
}
