/* attend_avx2.c - a head of attention in tiles of 6 x 16; see attend.h. */
#include "kernels/x86/attend.h"

void at_attend_f32_avx2(const at_attend_head *p)
{
    attend(p);
}
