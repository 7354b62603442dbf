/* main.c - bench_products [THREADS [NAME]]: ours, OpenBLAS and oneDNN on the models' shapes. */
#include "products.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    return bench_products(argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0, argc > 2 ? argv[2] : NULL);
}
