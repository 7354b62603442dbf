/* amx.h - tiles of a thread: eight of 16 rows of 64 bytes. They begin and end with every call of a kernel
 * (70 ns): a thread that keeps them has 8 KiB more to save whenever it is switched. */
#ifndef AT_KERNELS_X86_AMX_H
#define AT_KERNELS_X86_AMX_H

#include "kernels/x86/math.h"

enum { TILE_ROWS = 16, STEP = 64 }; // bytes of a row

/* All eight tiles are 16 rows of 64 bytes. */
INLINE void tiles_begin(void)
{
    static const struct {
        uint8_t palette, start, none[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}

INLINE void tiles_end(void)
{
    _tile_release();
}

#endif
