/* jpeg.c - JPEG through libjpeg-turbo with the settings Pillow leaves alone: accurate integer IDCT,
 * fancy upsampling, block smoothing. Missing data is an error, as in Pillow; other damage that libjpeg
 * can hide is not. */
#include "image/decode.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct decoder {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    char why[JMSG_LENGTH_MAX];
    bool no_memory, too_large;
} decoder;

static void on_error(j_common_ptr c)
{
    decoder *d = (decoder *)c;
    c->err->format_message(c, d->why);
    d->no_memory = c->err->msg_code == JERR_OUT_OF_MEMORY;
    d->too_large = c->err->msg_code == JERR_NO_BACKING_STORE; // more than max_memory_to_use
    longjmp(d->failed, 1);
}
static void on_message(j_common_ptr c)
{
    (void)c;
} // warnings go nowhere
static void nothing(j_decompress_ptr c)
{
    (void)c;
}

/* Each scan of a progressive picture visits all of it, and an empty one takes a few bytes. */
static void on_progress(j_common_ptr c)
{
    enum { MOST_SCANS = 100 }; // the limit of cjpeg's own scripts; encoders write about ten
    decoder *d = (decoder *)c;
    if (d->c.input_scan_number <= MOST_SCANS) return;
    (void)snprintf(d->why, sizeof d->why, "more than %d scans", MOST_SCANS);
    longjmp(d->failed, 1);
}

static boolean no_more(j_decompress_ptr c)
{
    decoder *d = (decoder *)c;
    (void)snprintf(d->why, sizeof d->why, "it ends too early");
    longjmp(d->failed, 1);
}

static void skip(j_decompress_ptr c, long n)
{
    if (n <= 0) return;
    if ((size_t)n > c->src->bytes_in_buffer) (void)no_more(c);
    c->src->next_input_byte += n;
    c->src->bytes_in_buffer -= (size_t)n;
}

static void find_orientation(const struct jpeg_decompress_struct *c, at_decoded *out)
{
    for (const struct jpeg_marker_struct *m = c->marker_list; m; m = m->next) {
        if (m->marker != JPEG_APP0 + 1 || m->data_length < 6 || memcmp(m->data, "Exif\0", 5) != 0)
            continue;
        out->orientation = at_exif_orientation(m->data, m->data_length);
        return;
    }
}

/* Four inverted samples to RGB as Pillow does it, without a profile. */
static void rgb_of_cmyk(const uint8_t *cmyk, size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned k = cmyk[4 * i + 3]; // 255 - K
        for (size_t c = 0; c < 3; c++) {
            const unsigned t = (255u - cmyk[4 * i + c]) * k + 128u, ink = ((t >> 8) + t) >> 8;
            rgb[3 * i + c] = (uint8_t)(k > ink ? k - ink : 0);
        }
    }
}

/* Eighths of its size at which both sides keep `least` px. Powers of two alone: libjpeg-turbo has vector
 * code for blocks of 8, 4 and 2, and none for those between. */
static unsigned eighths(const struct jpeg_decompress_struct *c, int least)
{
    const size_t shorter = c->image_width < c->image_height ? c->image_width : c->image_height;
    unsigned n = 1;
    while (n < 8 && (shorter * n + 7) / 8 < (size_t)least)
        n *= 2;
    return n;
}

/* setjmp's frame: `volatile` what is changed between it and a jump. */
static at_status run(decoder *d, const at_decode_job *job, at_decoded *out, uint8_t **row,
                     at_error *err)
{
    if (setjmp(d->failed)) {
        if (d->no_memory) return at_no_memory_to_decode(job, err);
        if (d->too_large)
            return at_fail(err, AT_E_IMAGE_TOO_LARGE,
                           "%s: a progressive JPEG that takes too much memory; raise --max-pixels",
                           job->name);
        return at_damaged_image(job, d->why, err);
    }
    jpeg_create_decompress(&d->c);
    d->c.src = &d->source;
    d->c.progress = &d->progress;
    // of a progressive picture's coefficients: 8 bytes a pixel are four components at full size
    const uint64_t most = job->max_pixels < LONG_MAX / 16 ? job->max_pixels * 8 : LONG_MAX / 2;
    d->c.mem->max_memory_to_use = (long)most + (32 << 20);
    jpeg_save_markers(&d->c, JPEG_APP0 + 1, 0xffff);
    (void)jpeg_read_header(&d->c, TRUE);
    const at_status status = at_check_pixels(job, d->c.image_width, d->c.image_height, err);
    if (status != AT_OK) return status;
    find_orientation(&d->c, out);
    const bool four = d->c.num_components == 4;
    d->c.out_color_space = four ? JCS_CMYK : JCS_RGB;
    if (job->least_side) {
        d->c.scale_num = eighths(&d->c, job->least_side);
        d->c.scale_denom = 8;
    }
    (void)jpeg_start_decompress(&d->c);
    const size_t width = d->c.output_width, height = d->c.output_height;
    out->rgb = at_alloc(job->al, width * height * 3);
    if (four) *row = at_alloc(job->al, width * 4);
    if (!out->rgb || (four && !*row))
        return at_fail(err, AT_E_OUT_OF_MEMORY, "%s: no memory for %zu x %zu pixels", job->name,
                       width, height);
    out->width = (int)width;
    out->height = (int)height;
    out->full_width = (int)d->c.image_width;
    out->full_height = (int)d->c.image_height;
    while (d->c.output_scanline < height) {
        uint8_t *to = out->rgb + (size_t)d->c.output_scanline * width * 3;
        JSAMPROW line = four ? *row : to;
        (void)jpeg_read_scanlines(&d->c, &line, 1);
        if (four) rgb_of_cmyk(*row, width, to);
    }
    return AT_OK;
}

at_status at_decode_jpeg(const at_decode_job *job, at_decoded *out, at_error *err)
{
    decoder d = {.source = {.next_input_byte = job->data,
                            .bytes_in_buffer = job->size,
                            .init_source = nothing,
                            .fill_input_buffer = no_more,
                            .skip_input_data = skip,
                            .resync_to_restart = jpeg_resync_to_restart,
                            .term_source = nothing}};
    d.c.err = jpeg_std_error(&d.errors);
    d.errors.error_exit = on_error;
    d.errors.output_message = on_message;
    d.progress.progress_monitor = on_progress;
    uint8_t *row = NULL;
    const at_status status = run(&d, job, out, &row, err);
    jpeg_destroy_decompress(&d.c);
    at_free(job->al, row);
    if (status != AT_OK) {
        at_free(job->al, out->rgb);
        out->rgb = NULL;
    }
    return status;
}
