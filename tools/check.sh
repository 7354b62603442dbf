#!/bin/sh
# What compilers do not check: layers, banned calls. Prints the offenders; fails if there are any.
cd "$(dirname "$0")/.." || exit 1
bad=0
say() { echo "check: $*"; bad=1; }
# a room may include itself and these
rooms='base: kernels:base formats:base text:base image:kernels,base backend:kernels,base nn:backend,kernels,base
models:nn,formats,text,backend,kernels,base runtime:models,nn,backend,kernels,formats,text,image,base writers:base serve:'
for entry in $rooms; do
    room=${entry%%:*} below=$(echo "${entry#*:}" | tr ',' '|')
    for hit in $(grep -rhoE '#include "[a-z_]+/' "src/$room" | sed 's/#include "//; s,/,,' | sort -u); do
        echo "$hit" | grep -qE "^($room|anytag${below:+|$below})$" || say "src/$room includes $hit/"
    done
done
grep -rnE '\b(sprintf|strcpy|strcat|strtok|atoi|rand|exit|abort|printf|puts)\(' src --include='*.c' | grep -vE '//|^\S+: \*|/\*' && say "a banned call in src/"
grep -rnE '\b(strtof|strtod|strtold|atof|sscanf)\(' src --include='*.c' | grep -vE '^src/(serve/|base/number.c)|//|^\S+: ?\*' && say "a number read by the host's locale: base/number.h"
grep -rnE '#include "(base|kernels|formats|text|image|backend|nn|models|runtime|writers)/' cli && say "the program uses more than public headers"
grep -rnE '^#\s*include <immintrin' src | grep -v '^src/kernels/x86/' && say "intrinsics outside kernels/x86"
for h in include/anytag/*.h include/anytag.h; do
    for lang in 'c -std=c11' 'c++ -std=c++17'; do
        echo "#include \"${h#include/}\"" | gcc -Iinclude -x $lang -Wall -Wextra -fsyntax-only - || say "$h is not self-contained ($lang)"
    done
done
for twice in $(git ls-files 'tests/*/test_*.py' | sed 's,.*/,,' | sort | uniq -d); do
    say "two test files are named $twice, and pytest collects neither"
done
if command -v clang-format >/dev/null; then
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>/dev/null || say "clang-format would change something (make format)"
fi
[ $bad = 0 ] && echo "check: clean"
exit $bad
