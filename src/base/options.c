/* options.c - option structs of programs built against an older or newer header than the library's. */
#include "base/base.h"

#include <string.h>

enum { MOST = 4096 }; // no option struct is so long: a size beyond it was never set

at_status at_options_copy(void *mine, size_t size, const void *theirs, const char *type,
                          at_error *err)
{
    size_t given = size;
    memset(mine, 0, size);
    if (theirs) memcpy(&given, theirs, sizeof given); // struct_size is the first field of each
    if (given < sizeof given || given > MOST)
        return at_fail(err, AT_E_INVALID_PARAMETER, "%s: struct_size is %zu; set it to sizeof(%s)",
                       type, given, type);
    const uint8_t *bytes = theirs;
    for (size_t i = size; theirs && i < given; i++) {
        if (bytes[i])
            return at_fail(err, AT_E_INVALID_PARAMETER,
                           "%s: a field is set that this library (%s) does not know; use a newer "
                           "library",
                           type, at_version());
    }
    if (theirs) memcpy(mine, theirs, at_min_size(given, size));
    memcpy(mine, &size, sizeof size);
    return AT_OK;
}
