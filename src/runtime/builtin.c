/* builtin.c - the model in the box: a GGUF file of models/ linked into the library. */
#include "runtime/runtime.h"

#ifdef ANYTAG_BOX_PATH

__asm__(".section .rodata\n"
        ".balign 64\n"
        "at_builtin_begin:\n"
        ".incbin \"" ANYTAG_BOX_PATH "\"\n"
        "at_builtin_end:\n"
        ".balign 64\n"
        ".previous\n");
extern const char at_builtin_begin[], at_builtin_end[];

const void *at_builtin_model(size_t *size)
{
    *size = (size_t)(at_builtin_end - at_builtin_begin);
    return at_builtin_begin;
}

#else

const void *at_builtin_model(size_t *size)
{
    *size = 0;
    return NULL;
}

#endif
