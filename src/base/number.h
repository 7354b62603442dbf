/* number.h - numbers in files and options: with a point, whatever locale the host program has set. */
#ifndef AT_BASE_NUMBER_H
#define AT_BASE_NUMBER_H

/* As strtof() and strtod() in the C locale; safe from any thread, no other thread's locale changes. */
float at_read_float(const char *text, char **end);
double at_read_double(const char *text, char **end);

#endif
