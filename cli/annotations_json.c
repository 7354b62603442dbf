/* annotations_json.c - the annotation JSON of the official data sets, a list of
 *   {"image_path": "a.jpg", "union_label_id": [3, 17]}    ids of the tag list; or "tags": ["dog"]
 * and COCO's {"images", "categories", "annotations"}, with boxes or without: a category that a picture has
 * any annotation of is there, the file's other categories are not. */
#include "annotations.h"

#include <string.h>

/* --- a list ------------------------------------------------------------------------------------------------ */

static int labels_of(cli_annotations *a, long picture, const json_t *list, const char *where)
{
    int code = 0;
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        if (json_is_array(v)) // parse_label_id: a list for each caption
            code = labels_of(a, picture, v, where);
        else if (json_is_string(v))
            code = cli_annotations_say(a, picture, json_string_value(v), true, where);
        else if (!json_is_integer(v))
            code = cli_usage("--annotations: %s: a label is neither a number nor a name", where);
        else if (json_integer_value(v) < 0 || (size_t)json_integer_value(v) >= a->names->n)
            code = cli_usage("--annotations: %s: label %lld is outside 0..%zu; the ids are of "
                             "another tag list",
                             where, (long long)json_integer_value(v), a->names->n - 1);
        else
            code = cli_annotations_say_label(a, picture, (size_t)json_integer_value(v), true);
        if (code) return code;
    }
    return 0;
}

static int official(cli_annotations *a, const json_t *root)
{
    static const char *const keys[] = {"union_label_id", "parse_label_id", "tags"};
    size_t i;
    json_t *entry;
    json_array_foreach(root, i, entry)
    {
        char where[1100];
        const char *path = json_string_value(json_object_get(entry, "image_path"));
        if (!path || !*path)
            return cli_usage("--annotations: %s: entry %zu has no \"image_path\"", a->file, i + 1);
        (void)snprintf(where, sizeof where, "%.500s: entry %zu, %.500s", a->file, i + 1, path);
        const json_t *labels = NULL;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0] && !labels; k++)
            labels = json_object_get(entry, keys[k]);
        if (!json_is_array(labels))
            return cli_usage("--annotations: %s has no list \"union_label_id\" (nor "
                             "\"parse_label_id\", nor \"tags\")",
                             where);
        const long picture = cli_annotations_picture(a, path);
        if (picture < 0) return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for it", where);
        const int code = labels_of(a, picture, labels, where);
        if (code) return code;
    }
    return 0;
}

/* --- COCO -------------------------------------------------------------------------------------------------- */

static const char *number(const json_t *id, char text[32])
{
    (void)snprintf(text, 32, "%lld", (long long)json_integer_value(id));
    return text;
}

/* Its images by their ids, *pictures, and its categories, *names. */
static int tables(cli_annotations *a, const json_t *root, json_t *pictures, json_t *names)
{
    size_t i;
    json_t *v;
    char id[32];
    json_array_foreach(json_object_get(root, "images"), i, v)
    {
        const char *path = json_string_value(json_object_get(v, "file_name"));
        if (!path || !*path || !json_is_integer(json_object_get(v, "id")))
            return cli_usage("--annotations: %s: image %zu has no \"id\" and \"file_name\"",
                             a->file, i + 1);
        const long picture = cli_annotations_picture(a, path);
        if (picture < 0)
            return cli_error(AT_E_OUT_OF_MEMORY, "%s: no memory for its images", a->file);
        (void)json_object_set_new(pictures, number(json_object_get(v, "id"), id),
                                  json_integer(picture));
    }
    json_array_foreach(json_object_get(root, "categories"), i, v)
    {
        json_t *name = json_object_get(v, "name");
        char where[600];
        (void)snprintf(where, sizeof where, "%.500s: category %zu", a->file, i + 1);
        if (!json_is_string(name) || !json_is_integer(json_object_get(v, "id")))
            return cli_usage("--annotations: %s has no \"id\" and \"name\"", where);
        (void)json_object_set(names, number(json_object_get(v, "id"), id), name);
        const int code = cli_annotations_say(a, -1, json_string_value(name), false, where);
        if (code) return code;
    }
    return 0;
}

static int coco(cli_annotations *a, const json_t *root)
{
    json_t *pictures = json_object(), *names = json_object(), *v;
    int code = tables(a, root, pictures, names);
    size_t i;
    json_array_foreach(json_object_get(root, "annotations"), i, v)
    {
        if (code) break;
        char image[32], category[32], where[600];
        const json_t *picture = json_object_get(pictures,
                                                number(json_object_get(v, "image_id"), image));
        const char *name = json_string_value(
            json_object_get(names, number(json_object_get(v, "category_id"), category)));
        (void)snprintf(where, sizeof where, "%.500s: annotation %zu", a->file, i + 1);
        if (!picture || !name)
            code = cli_usage("--annotations: %s is of %s %s, which the file does not have", where,
                             picture ? "category" : "image", picture ? category : image);
        else
            code = cli_annotations_say(a, (long)json_integer_value(picture), name, true, where);
    }
    json_decref(pictures);
    json_decref(names);
    return code;
}

int cli_annotations_json(cli_annotations *a, const char *text)
{
    json_error_t why;
    json_t *root = json_loads(text, 0, &why);
    if (!root)
        return cli_usage("--annotations: %s:%d is not JSON (%s)", a->file, why.line, why.text);
    int code;
    if (json_is_array(root))
        code = official(a, root);
    else if (json_is_array(json_object_get(root, "images")) &&
             json_is_array(json_object_get(root, "categories")) &&
             json_is_array(json_object_get(root, "annotations")))
        code = coco(a, root);
    else
        code = cli_usage("--annotations: %s is neither a list of {\"image_path\", "
                         "\"union_label_id\"} nor COCO's images, categories, annotations",
                         a->file);
    json_decref(root);
    return code;
}
