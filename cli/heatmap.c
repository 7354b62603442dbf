/* heatmap.c - anytag tag --heatmap DIR: a folder for each picture with a PNG for each tag, the picture with the
 * tag's map laid over it, or the map alone; and --boxes-from-heatmap. Names of files come from names of tags,
 * which may hold anything. */
#include "heatmap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPACITY 0.65f
enum { NAME_MOST = 120 }; // bytes of a tag in a name

struct tag_heat {
    const cli_options *o;
    const int *crop;
    size_t *ids, n_ids;   // of --heatmap-tags
    pthread_mutex_t lock; // of what follows
    pthread_cond_t turn;
    size_t next;  // the picture whose folder gets its name next
    json_t *seen; // names of folders so far
};

/* DIR/below/a.jpg; a second picture of that name gets DIR/below/a.jpg-2. */
static char *folder_of(tag_heat *h, const char *below)
{
    const size_t size = strlen(h->o->heatmap) + strlen(below) + 32;
    char *name = malloc(size);
    if (!name) return NULL;
    (void)snprintf(name, size, "%s/%s", h->o->heatmap, below);
    char *key = cli_done_key(name); // a path need not be UTF-8
    for (long k = 2; key && json_object_get(h->seen, key); k++) {
        (void)snprintf(name, size, "%s/%s-%ld", h->o->heatmap, below, k);
        free(key);
        key = cli_done_key(name);
    }
    if (key) (void)json_object_set_new(h->seen, key, json_null());
    free(key);
    return name;
}

char *tag_heat_folder(tag_heat *h, cli_files *files, size_t i)
{
    if (!h || !h->o->heatmap) return NULL;
    const char *path = cli_files_path(files, i); // may wait for a folder to be read
    size_t below = 0;
    if (path) {
        cli_files_lock(files);
        below = files->below[i];
        cli_files_unlock(files);
    }
    pthread_mutex_lock(&h->lock);
    while (h->next < i) // names follow the order of the inputs, whoever is first
        pthread_cond_wait(&h->turn, &h->lock);
    char *name = !path                    ? NULL
                 : strcmp(path, "-") == 0 ? folder_of(h, "stdin")
                                          : folder_of(h, path + below);
    if (h->next == i) h->next++;
    pthread_cond_broadcast(&h->turn);
    pthread_mutex_unlock(&h->lock);
    return name;
}

int tag_heat_open(tag_heat **heat, const cli_options *o, const at_model *model, tag_setup *setup)
{
    *heat = NULL;
    if (!o->heatmap && (o->heatmap_tags || o->heatmap_raw))
        return cli_usage("--heatmap-%s: there are no maps; name a folder with --heatmap",
                         o->heatmap_tags ? "tags" : "raw");
    if (!o->heatmap && !o->boxes_from_heatmap) return 0;
    if (o->boxes_from_heatmap &&
        (!o->format || (strcmp(o->format, "json") != 0 && strcmp(o->format, "jsonl") != 0)))
        return cli_usage("--boxes-from-heatmap: only json and jsonl have boxes; add -f json");
    tag_heat *h = *heat = calloc(1, sizeof *h);
    if (!h) return 6;
    *h = (tag_heat){.o = o, .crop = setup->crop, .seen = json_object()};
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->turn, NULL);
    if (o->heatmap_tags) {
        const int code = cli_tag_ids(o, model, "heatmap-tags", o->heatmap_tags, &h->ids, &h->n_ids);
        if (code) return code;
        if (h->n_ids < 1 || h->n_ids > 256)
            return cli_usage("--heatmap-tags: %zu tags; 1 to 256 can have maps", h->n_ids);
    }
    setup->tags.heat = h->n_ids ? AT_HEAT_IDS : AT_HEAT_FOUND;
    setup->tags.heat_ids = h->ids;
    setup->tags.n_heat = h->n_ids;
    return h->seen ? 0 : 6;
}

void tag_heat_close(tag_heat *h)
{
    if (!h) return;
    (void)pthread_mutex_destroy(&h->lock);
    (void)pthread_cond_destroy(&h->turn);
    json_decref(h->seen);
    free(h->ids);
    free(h);
}

/* A name for a file on any system: what they forbid becomes _, so does what begins or ends a name badly; cut at
 * a whole character. */
static void safe_name(const char *tag, char *out, size_t size)
{
    size_t n = 0;
    for (const char *c = tag; *c && n + 1 < size; c++)
        out[n++] = (unsigned char)*c < 32 || *c == 127 || strchr("/\\:*?\"<>|", *c) ? '_' : *c;
    if (tag[n]) { // not all of it: no part of a character stays
        while (n && ((unsigned char)tag[n] & 0xc0) == 0x80)
            n--;
    }
    out[n] = 0;
    if (out[0] == '.' || out[0] == ' ' || out[0] == '-') out[0] = '_';
    if (n && (out[n - 1] == '.' || out[n - 1] == ' ')) out[n - 1] = '_';
    if (!n) (void)snprintf(out, size, "_");
}

/* The names given to a picture's tags so far. */
typedef struct names {
    char (*list)[NAME_MOST + 24];
    size_t n;
} names;

/* "dog", or "Dog-17" when some system would take it for one that is there. */
static const char *name_of(names *s, const char *tag, size_t id)
{
    char *name = s->list[s->n];
    safe_name(tag, name, NAME_MOST);
    for (size_t i = 0; i < s->n; i++) {
        if (strcasecmp(s->list[i], name) != 0) continue;
        const size_t len = strlen(name);
        (void)snprintf(name + len, sizeof s->list[0] - len, "-%zu", id);
        break;
    }
    s->n++;
    return name;
}

static at_status failed(const char *path, at_error *err)
{
    const at_status status = errno == ENOSPC ? AT_E_DISK_FULL : AT_E_OUTPUT_FAILED;
    (void)snprintf(err->text, sizeof err->text, "%s: cannot be written (%s)", path,
                   strerror(errno));
    return err->status = status;
}

/* Whole or not at all. */
static at_status write_png(const char *path, const void *png, size_t size, at_error *err)
{
    char part[4400];
    (void)snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    FILE *f = cli_make_folders(path) ? fopen(part, "wb") : NULL;
    if (!f) return failed(path, err);
    bool ok = fwrite(png, 1, size, f) == size;
    ok = fclose(f) == 0 && ok;
    if (ok && rename(part, path) == 0) return AT_OK;
    const at_status status = failed(path, err);
    (void)unlink(part);
    return status;
}

/* The part of the picture that was tagged. */
static void area_of(const tag_heat *h, const at_image *image, int area[4])
{
    const int whole[4] = {0, 0, at_image_width(image), at_image_height(image)};
    memcpy(area, h->crop[2] ? h->crop : whole, sizeof whole);
}

static at_status write_map(const tag_heat *h, const char *path, const at_image *image,
                           const at_heat_map *map, uint8_t *pixels, at_error *err)
{
    const int w = at_image_width(image), high = at_image_height(image);
    int area[4];
    void *png = NULL;
    size_t size = 0;
    area_of(h, image, area);
    at_status status = h->o->heatmap_raw ? at_heat_grey(map, w, high, area, pixels, err)
                                         : at_heat_overlay(image, area, map, OPACITY, pixels, err);
    if (status == AT_OK)
        status = at_png_encode(pixels, w, high, h->o->heatmap_raw ? 1 : 3, &png, &size, err);
    if (status == AT_OK) status = write_png(path, png, size, err);
    at_buffer_free(png);
    return status;
}

at_status tag_heat_write(const tag_heat *h, const char *folder, const at_image *image,
                         const at_model *model, const at_tags *tags, at_error *err)
{
    const size_t n = h->n_ids ? h->n_ids : at_tags_count(tags);
    const size_t size = strlen(folder) + NAME_MOST + 32;
    names s = {.list = calloc(n + 1, sizeof *s.list)};
    char *path = malloc(size);
    uint8_t *pixels = malloc(3 * (size_t)at_image_width(image) * (size_t)at_image_height(image));
    at_status status = AT_OK;
    if (!s.list || !path || !pixels) {
        (void)snprintf(err->text, sizeof err->text, "no memory for a map");
        status = err->status = AT_E_OUT_OF_MEMORY;
    }
    for (size_t k = 0; k < n && status == AT_OK; k++) {
        const size_t id = h->n_ids ? h->ids[k] : at_tags_id(tags, k);
        at_heat_map map;
        if (!at_tags_heat(tags, id, &map)) continue; // behind the best 256
        const char *tag = h->n_ids ? at_model_tag(model, id, "en") : at_tags_name(tags, k, "en");
        (void)snprintf(path, size, "%s/%s.png", folder, name_of(&s, tag, id));
        status = write_map(h, path, image, &map, pixels, err);
    }
    free(pixels);
    free(path);
    free(s.list);
    return status;
}

size_t tag_heat_boxes(const tag_heat *h, const at_image *image, const at_tags *tags,
                      at_record_box **boxes)
{
    *boxes = NULL;
    if (!h || !h->o->boxes_from_heatmap) return 0;
    const size_t most = AT_RECORD_BOXES * at_tags_count(tags);
    int area[4];
    *boxes = calloc(most + 1, sizeof **boxes);
    area_of(h, image, area);
    return *boxes ? at_record_boxes(tags, area, *boxes, most) : 0;
}
