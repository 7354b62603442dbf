/* word_forms.h - the regular forms of an English word or of a phrase's last word. */
#ifndef AT_TEXT_WORD_FORMS_H
#define AT_TEXT_WORD_FORMS_H

#include <stddef.h>

enum { AT_FORMS = 10, AT_FORM_BYTES = 160 };

typedef char at_form[AT_FORM_BYTES];

/* `word` itself first, lower-cased ASCII, blanks made single; then its plural or third person, -ing and -ed
 * forms, and the singular of a plural. Some are no words; they match nothing. Returns how many; 0 if
 * the word is empty or too long. */
size_t at_word_forms(const char *word, at_form forms[AT_FORMS]);

#endif
