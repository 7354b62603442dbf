#!/bin/sh
# Makes build/venv (or $ANYTAG_VENV) with the programs anytag is timed against.
set -eu
venv=${ANYTAG_VENV:-$(dirname "$0")/../../build/venv}
python3 -m venv "$venv"
"$venv/bin/pip" install torch==2.5.1 onnx onnxruntime openvino nncf 'pillow<13' 'numpy<2'
