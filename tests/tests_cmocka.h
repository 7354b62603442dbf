/* tests_cmocka.h - cmocka wants these four before it. */
#ifndef AT_TESTS_CMOCKA_H
#define AT_TESTS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
