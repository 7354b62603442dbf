/* simde_features.c - what the processor of checkkern_simde can do: everything, because it is translated. */
#include "base/cpu.h"

unsigned check_cpu_features(void);
unsigned check_cpu_features(void)
{
    return AT_CPU_ALL;
}
