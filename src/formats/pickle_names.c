/* pickle_names.c - modules whose objects appear in training checkpoints as plain data. Their names become opaque
 * nodes; that nothing is ever called makes the list a courtesy: a name outside it is a sign of harm. */
#include "formats/pickle.h"

#include <string.h>

static const char *const harmless[] = {
    "collections ",
    "__torch__ ",
    "__torch__.",
    "torch.jit._pickle ",
    "torch ",
    "torch._utils ",
    "torch.nn.",
    "torch.optim.",
    "torch.storage ",
    "torch.serialization ",
    "torch._tensor ",
    "torch.Size ",
    "torch.cuda ",
    "torch.distributed.",
    "numpy ",
    "numpy.core.",
    "numpy._core.",
    "numpy.dtypes ",
    "numpy.random.",
    "argparse ",
    "datetime ",
    "ruamel.",
    "ruamel_yaml.",
    "pathlib ",
    "decimal ",
    "enum ",
    "functools partial",
    "omegaconf.",
    "yacs.",
    "easydict ",
    "__builtin__ set",
    "__builtin__ frozenset",
    "__builtin__ object",
    "__builtin__ list",
    "__builtin__ dict",
    "__builtin__ tuple",
    "__builtin__ int",
    "__builtin__ float",
    "__builtin__ bool",
    "__builtin__ str",
    "__builtin__ bytes",
    "__builtin__ bytearray",
    "__builtin__ slice",
    "__builtin__ complex",
    "__builtin__ range",
    "builtins set",
    "builtins frozenset",
    "builtins object",
    "builtins list",
    "builtins dict",
    "builtins tuple",
    "builtins int",
    "builtins float",
    "builtins bool",
    "builtins str",
    "builtins bytes",
    "builtins bytearray",
    "builtins slice",
    "builtins complex",
    "builtins range",
    "copyreg _reconstructor",
    "copy_reg _reconstructor",
    "_codecs encode",
};

/* Of a harmless module, but able to run code if somebody called them. */
static const char *const harmful[] = {"torch load", "torch.serialization load", "numpy load",
                                      "numpy.core.multiarray fromfile",
                                      "torch.storage _load_from_bytes"};

static bool begins(const char *text, size_t len, const char *with)
{
    const size_t n = strlen(with);
    const bool module = with[n - 1] == ' ' || with[n - 1] == '.';
    return len >= n && memcmp(text, with, n) == 0 && (module || len == n);
}

bool at_pickle_harmless(const char *name, size_t len)
{
    bool known = false;
    for (size_t i = 0; i < AT_COUNT(harmless) && !known; i++)
        known = begins(name, len, harmless[i]);
    for (size_t i = 0; i < AT_COUNT(harmful) && known; i++)
        known = strcmp(name, harmful[i]) != 0; // (a NUL inside only makes it unknown)
    return known;
}
