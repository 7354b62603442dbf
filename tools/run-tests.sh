#!/bin/sh
# Builds and runs every test; the last line is "N passed, N failed". run-tests.sh BUILD [PRESET]
set -u
build=${1:-build} preset=${2:-release}
cmake --preset "$preset" -B "$build" -DANYTAG_TESTS=ON >/dev/null && cmake --build "$build" >"$build/build.log" 2>&1 ||
    { tail -40 "$build/build.log"; echo "0 passed, 1 failed"; exit 1; }
log=$build/tests.log
: >"$log"
passed=0 failed=0 skipped=0
# cmocka programs count their tests; checkkern counts as one, and so does the replay of a fuzzer's corpus
programs=$(find "$build/tests" -type f -perm -u+x \( -name 'test_*' -o -name 'checkkern*' -o -name '*_simde' -o -name 'replay_*' \) | sort -u)
# A race detector is for what has threads: the programs that make some. The backend's run once more on the
# reference kernels, the only ones it sees into (cmake/compile.cmake).
[ "$preset" != tsan ] || programs=$(for t in $programs; do
    ! nm -u "$t" | grep -q pthread_create || case $t in */test_backend_*) echo "$t"; echo "ref:$t" ;; *) echo "$t" ;; esac
done)
for t in $programs; do
    case $t in */replay_*) corpus=tests/fuzz/corpus/${t##*/replay_} ;; *) corpus= ;; esac
    case $t in ref:*) ANYTAG_CPU=ref "${t#ref:}" ;; *) "$t" $corpus ;; esac >"$build/one.log" 2>&1
    code=$?
    cat "$build/one.log" >>"$log"
    p=$(grep -c '^\[       OK \]' "$build/one.log") f=$(grep -c '^\[  FAILED  \] [a-z_0-9]*$' "$build/one.log") s=$(grep -c '^\[  SKIPPED \]' "$build/one.log")
    [ $code -eq 0 ] || [ "$f" -gt 0 ] || f=1
    [ $code -ne 0 ] || [ "$p" -gt 0 ] || [ "$s" -gt 0 ] || p=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then echo "FAILED $t"; tail -20 "$build/one.log"; fi
done
mark='not full'
[ "$preset" != tsan ] || mark='threads and not full'
[ -z "${ANYTAG_FULL:-}" ] || mark='full or not full'
ANYTAG_BIN=$(cd "$build" && pwd)/cli/anytag /usr/bin/python3 -m pytest -q -p no:cacheprovider -m "$mark" tests >"$build/pytest.log" 2>&1
code=$?
cat "$build/pytest.log" >>"$log"
line=$(tail -1 "$build/pytest.log")
count() { echo "$line" | grep -o "[0-9]* $1" | cut -d' ' -f1; }
p=$(count passed) f=$(count failed) e=$(count error) s=$(count skipped)
[ $code -eq 0 ] || { tail -40 "$build/pytest.log"; [ -n "$f$e" ] || f=1; }
passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0} + ${e:-0})) skipped=$((skipped + ${s:-0}))
[ "$skipped" = 0 ] || echo "$skipped skipped (the reference data is not beside the repository, or the test is for full sizes)"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
