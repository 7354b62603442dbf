/* attend_avx512.c - a head of attention in tiles of 12 x 32; see attend.h. */
#define AT_VEC_512
#include "kernels/x86/attend.h"

void at_attend_f32_avx512(const at_attend_head *p)
{
    attend(p);
}
