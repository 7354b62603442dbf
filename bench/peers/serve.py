"""One peer as a process: says "ready", then a line of paths with tabs between is tagged in one pass; prints the
seconds of reading (file to pixels), of the model (pixels to logits) and how many tags fired. As bench_tag.
With --model small each thread takes a picture from file to logits, on one thread of the model, as anytag does.

    serve.py KIND FILE [--threads 2] [--batch 1] [--model ram|small]

KIND, FILE   torch, torch-bf16: a checkpoint; ort: an .onnx; ov, ov-bf16, ov-auto, ov-auto-tput: an .xml or .onnx. "> FILE" as a line's first field: the logits are also written there, f32.
"""
import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

THRESHOLD = 0.65


def torch_runner(a, network):
    import torch
    torch.set_num_threads(a.threads if a.model == "ram" else 1)
    with torch.inference_mode():
        model = network.build(a.file, torch.bfloat16 if a.kind.endswith("bf16") else torch.float32)

    def go(px):
        with torch.inference_mode():
            return model(torch.from_numpy(px)).numpy()
    return go


def ort_runner(a, network):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = a.threads if a.model == "ram" else 1
    options.add_free_dimension_override_by_name("batch", a.batch)
    session = ort.InferenceSession(a.file, options, providers=["CPUExecutionProvider"])
    return lambda px: session.run(None, {"pixels": px})[0]


def openvino_small(a, network):
    """A stream and a request a thread."""
    import threading

    import openvino as ov
    model, own = ov.Core().read_model(a.file), threading.local()
    model.reshape([1, 3, network.SIZE, network.SIZE])
    hints = {"INFERENCE_NUM_THREADS": a.threads, "NUM_STREAMS": a.threads}
    if "auto" not in a.kind:
        hints["INFERENCE_PRECISION_HINT"] = "f32"
    model = ov.Core().compile_model(model, "CPU", hints)

    def go(px):
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        return own.request.infer({0: px})[0]
    return go


def openvino_runner(a, network):
    """auto: the precision that OpenVINO takes by itself for what is not bytes; tput: a request a picture."""
    import openvino as ov
    if a.model == "small":
        return openvino_small(a, network)
    core, each = ov.Core(), a.kind.endswith("-tput")
    hints = {"INFERENCE_NUM_THREADS": a.threads, "PERFORMANCE_HINT": "THROUGHPUT" if each else "LATENCY"}
    if each:
        hints["NUM_STREAMS"] = a.threads
    if "auto" not in a.kind:
        hints["INFERENCE_PRECISION_HINT"] = "bf16" if "bf16" in a.kind else "f32"
    model = core.read_model(a.file)
    model.reshape([1 if each else a.batch, 3, network.SIZE, network.SIZE])
    model = core.compile_model(model, "CPU", hints)
    if not each:
        return lambda px: model(px)[0]
    queue = ov.AsyncInferQueue(model, a.threads)

    def go(px):
        out = [None] * len(px)

        def keep(request, i):
            out[i] = request.get_output_tensor().data.copy()
        queue.set_callback(keep)
        for i in range(len(px)):
            queue.start_async({0: px[i:i + 1]}, i)
        queue.wait_all()
        return np.concatenate(out)
    return go


RUNNERS = {"torch": torch_runner, "torch-bf16": torch_runner, "ort": ort_runner, "ov": openvino_runner,
           "ov-bf16": openvino_runner, "ov-auto": openvino_runner, "ov-auto-tput": openvino_runner}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("kind", choices=RUNNERS)
    p.add_argument("file")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--model", choices=["ram", "small"], default="ram")
    a = p.parse_args()
    import picture
    network = __import__("ram_torch" if a.model == "ram" else "small_torch") if a.kind.startswith("torch") \
        else picture.MODELS[a.model]
    go = RUNNERS[a.kind](a, network)
    pool = ThreadPoolExecutor(a.threads)
    print("ready", flush=True)
    for line in sys.stdin:
        paths, out = line.rstrip("\n").split("\t"), None
        if paths[0].startswith("> "):
            out = paths.pop(0)[2:]
        start = time.perf_counter()
        if a.model == "small":  # a picture a thread, from the file to its logits
            read = start
            logits = np.concatenate(list(pool.map(lambda x: go(picture.pixels(x, a.model)[None].copy()), paths)))
        else:
            px = np.stack([picture.pixels(x, a.model) for x in paths])
            read = time.perf_counter()
            logits = go(px)
        end = time.perf_counter()
        if out:
            logits.astype(np.float32).tofile(out)
        fired = int((1 / (1 + np.exp(-logits)) > THRESHOLD).sum())
        print(json.dumps({"read": read - start, "model": end - read, "fired": fired}), flush=True)


if __name__ == "__main__":
    main()
