/* sense_notation.h - how a user says which sense of a word is meant: crane#2, crane (bird), crane.n.02. */
#ifndef AT_TEXT_SENSE_NOTATION_H
#define AT_TEXT_SENSE_NOTATION_H

#include "text/wordnet.h"

#include <stdint.h>

#define AT_NOTATION_NONE SIZE_MAX

typedef struct at_notation {
    char plain[AT_WN_WORD]; // as written, without notation
    char word[AT_WN_WORD];  // small letters, _ for blanks
    int part;               // -1: the first that has the word
    size_t number;          // 0: none given; AT_NOTATION_NONE: 0 was
    char hint[AT_WN_WORD];  // (bird)
} at_notation;

/* AT_E_INVALID_TEXT: not UTF-8, too long, no word. */
at_status at_notation_read(const char *text, at_notation *n, at_error *err);
/* Blanks outside gone, inside single and `blank`; `small`: in small letters. False: too long. */
bool at_notation_clean(char out[AT_WN_WORD], const char *from, size_t len, char blank, bool small);

#endif
