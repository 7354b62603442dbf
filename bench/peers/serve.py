"""One peer as a process: reads image paths on stdin, prints seconds and fired tags a line.

    serve.py torch|ort|openvino [--onnx FILE] [--threads 2]
"""
import argparse
import json
import sys
import time

import numpy as np

import ram_torch


def runner(kind, onnx, threads):
    if kind == "torch":
        import torch
        torch.set_num_threads(threads)
        cfg = ram_torch.configs.FULL["ram_swin_l_384"]
        model = ram_torch.Ram(cfg, ram_torch.weights(cfg)).eval()

        def go(px):
            with torch.inference_mode():
                return model(torch.from_numpy(px)).numpy()
        return go
    if kind == "ort":
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        return lambda px: session.run(None, {"pixels": px})[0]
    import openvino as ov
    core = ov.Core()
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(onnx), "CPU", hints)
    return lambda px: model(px)[0]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("kind", choices=["torch", "ort", "openvino"])
    p.add_argument("--onnx", default="build/full/ram_swin_l_384.onnx")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    go = runner(a.kind, a.onnx, a.threads)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        logits = go(ram_torch.pixels(line.strip()))
        fired = np.flatnonzero(1 / (1 + np.exp(-logits)) > 0.65)
        print(json.dumps({"seconds": time.perf_counter() - start, "fired": len(fired)}), flush=True)


if __name__ == "__main__":
    main()
