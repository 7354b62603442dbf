/* compat_immich.c - Immich's machine learning service. Its servers are a fail-over list: two that answer the
 * same model's name differently spoil its index without a word. So a name is answered only when the original
 * weights of both its towers are loaded; the others are refused and the next server of the list is asked. */
#include "serve/internal.h"

#include <string.h>

static json_t *refuse(request *r, int http)
{
    (void)http;
    return json_pack("{so}", "detail", problem_detail(&r->problem));
}

/* No network of this program is the picture tower of a CLIP model, and a text's vector that is searched
 * among another tower's pictures finds nothing: neither half is answered without the other. */
static bool refuse_task(request *r, const char *task, const char *type, const char *name)
{
    if (strcmp(task, "clip") != 0)
        return fail(&r->problem, P_MODEL_NOT_AVAILABLE,
                    "this server does no %.40s; keep Immich's own service as a second URL", task);
    return fail(
        &r->problem, P_MODEL_NOT_AVAILABLE,
        "%.60s (%.40s): the original weights of both towers of this model are not loaded here, "
        "and vectors of others would spoil the index",
        name, type);
}

static bool read_entries(request *r, json_t *entries)
{
    const char *task, *type, *name;
    json_t *types, *entry;
    if (!json_is_object(entries) || json_object_size(entries) == 0)
        return fail(&r->problem, P_INVALID_ENTRIES, "Invalid request format.");
    json_object_foreach(entries, task, types)
    {
        if (!json_is_object(types))
            return fail(&r->problem, P_INVALID_ENTRIES, "Invalid request format.");
        json_object_foreach(types, type, entry)
        {
            name = json_string_value(json_object_get(entry, "modelName"));
            if (!name) return fail(&r->problem, P_INVALID_ENTRIES, "Invalid request format.");
        }
    }
    if (r->n_pictures == 0 && !r->values[Q_TEXT])
        return fail(&r->problem, AT_E_NO_INPUT, "Either image or text must be provided");
    json_object_foreach(entries, task, types)
    {
        json_object_foreach(types, type, entry) return refuse_task(
            r, task, type, json_string_value(json_object_get(entry, "modelName")));
    }
    return fail(&r->problem, P_INVALID_ENTRIES, "Invalid request format.");
}

static bool read_body(request *r)
{
    const char *text = r->values[Q_ENTRIES];
    json_t *entries = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const bool ok = read_entries(r, entries);
    json_decref(entries);
    return ok;
}

const foreign immich_predict = {AT_COMPAT_IMMICH, false, read_body, NULL, refuse, NULL};
