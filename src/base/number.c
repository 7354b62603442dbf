/* number.c - strtof() reads "0,5" where the host's locale has a comma, and stops at the point of "0.5". The C
 * locale is borrowed for the length of a call, by this thread alone. */
#include "base/number.h"

#include <locale.h>
#include <stdlib.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

static locale_t borrow(locale_t *c)
{
    *c = newlocale(LC_ALL_MASK, "C", (locale_t)0); // takes no memory where "C" is built in
    return *c ? uselocale(*c) : (locale_t)0;
}

static void give_back(locale_t c, locale_t before)
{
    if (!c) return;
    (void)uselocale(before);
    freelocale(c);
}

float at_read_float(const char *text, char **end)
{
    locale_t c;
    const locale_t before = borrow(&c);
    const float v = strtof(text, end);
    give_back(c, before);
    return v;
}

double at_read_double(const char *text, char **end)
{
    locale_t c;
    const locale_t before = borrow(&c);
    const double v = strtod(text, end);
    give_back(c, before);
    return v;
}
