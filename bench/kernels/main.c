/* main.c - bench_products [THREADS [NAME]]: ours, OpenBLAS and oneDNN on the models' shapes. */
#include "base/cpu.h"
#include "products.h"

#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    // OpenBLAS knows processors by name when it is loaded, and an unknown one is to it the oldest
    if (at_cpu_features() & AT_CPU_AVX512 && !getenv("OPENBLAS_CORETYPE")) {
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
        execv("/proc/self/exe", argv);
    }
    return bench_products(argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0, argc > 2 ? argv[2] : NULL);
}
