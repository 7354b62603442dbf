#!/usr/bin/env python3
"""Prints src/text/html_entities.h: the named characters of HTML (html.spec.whatwg.org, 13.5), one string
for each first letter, of entries "rest of the name", ',' where the name may stand without its semicolon,
else ';', the characters, a blank."""
import html.entities
import string

names = {n.rstrip(";"): v for n, v in html.entities.html5.items()}
legacy = {n for n in html.entities.html5 if not n.endswith(";")}


def literal(text):
    out = ""
    for b in text.encode("utf-8"):
        c = chr(b)
        out += "\\" + c if c in '"\\' else c if 32 <= b < 127 and c != "?" else f"\\{b:03o}"
    return out


print("""/* html_entities.h - printed by tools/html_entities.py: the named characters of HTML
 * (html.spec.whatwg.org, 13.5). names[0..25] begin with A..Z, names[26..51] with a..z. Entries: the rest
 * of the name, ',' where it may stand without a semicolon, else ';', the characters, a blank. */
#ifndef AT_TEXT_HTML_ENTITIES_H
#define AT_TEXT_HTML_ENTITIES_H

// clang-format off
static const char *const html_entities[52] = {""")
for letter in string.ascii_uppercase + string.ascii_lowercase:
    line, lines = "", []
    for name in sorted(n for n in names if n[0] == letter):
        entry = literal(name[1:] + (",;"[name not in legacy]) + names[name] + " ")
        if len(line) + len(entry) > 92:
            lines.append(line)
            line = ""
        line += entry
    lines.append(line)
    print("\n".join(f'    "{x}"' for x in lines) + ",")
print("""};
// clang-format on

#endif""")
