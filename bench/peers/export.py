"""The programs' files in build/bench/peers, each made once: `export.py [NAME...]`, all of them without names.

    ram.onnx          f32, any batch: ONNX Runtime
    ram-int8.onnx     ONNX Runtime's quantisation: bytes, a scale an output; activations as they come
    ram.xml           the same graph for OpenVINO, in f32 or bf16
    ram-int8.xml      NNCF's post-training quantisation for transformers, calibrated on a few pictures
    ram.want          PyTorch's logits of the picture that everybody is checked against, f32
    ram.pth           weights by formula
    ram.gguf, ram-bf16.gguf, ram-int8.gguf    anytag's own

and `small` for `ram`: the model in the box, whose PyTorch weights are a folder (--small). What is there is not made
again; --again makes it again. A file appears under its name when it is whole. A peer that is not installed is named
and left out.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

import picture

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench" / "peers"
CONFIG = "ram_swin_l_384"
CALIBRATE = 6


def network(name, a, dtype=None):
    import torch
    if name == "ram":
        import ram_torch
        return ram_torch.build(made(a, "ram.pth"), dtype or torch.float32)
    import small_torch
    return small_torch.build(a.small, dtype or torch.float32)


def pth(name, a, out):
    import ram_torch
    import torch
    torch.save({"model": ram_torch.weights(ram_torch.configs.FULL[CONFIG])}, out)


def gguf(name, a, out):
    kind = next((k for k in ("bf16", "int8") if out.stem.endswith("-" + k)), "f32")
    if name == "small":
        source, extra = ROOT / "models" / "anytag-small-f16.gguf", []
    elif kind == "f32":
        source, extra = made(a, "ram.pth"), ["--official", a.official, "--name", name]
    else:
        source, extra = made(a, "ram.gguf"), []
    subprocess.run([a.bin, "convert", source, out, "-q", "--type", kind, *extra], check=True)


def want(name, a, out):
    import torch
    with torch.inference_mode():
        px = picture.pixels(a.image, name)[None].copy()
        logits = network(name, a)(torch.from_numpy(px)).numpy()
    golden = picture.shared() / "goldens" / "forward" / CONFIG / "street" / "logits.npy"
    if name == "ram" and golden.exists() and pathlib.Path(a.image).name == "street.jpg":
        official = np.load(golden)
        error = np.linalg.norm(logits - official) / np.linalg.norm(official)
        if error > 1e-5:
            sys.exit(f"PyTorch's logits are not the recorded ones: relative L2 {error:.1e}")
    logits.tofile(out)


def onnx_f32(name, a, out):
    import onnx
    import torch
    size = picture.MODELS[name].SIZE
    with torch.no_grad():
        torch.onnx.export(network(name, a), torch.zeros(2, 3, size, size), str(out), input_names=["pixels"],
                          output_names=["logits"], opset_version=17, dynamo=False,
                          dynamic_axes={"pixels": {0: "batch"}, "logits": {0: "batch"}})


    model = onnx.load(str(out))  # the tracer writes weights as Constant nodes; quantisers look for initialisers
    constants = [n for n in model.graph.node if n.op_type == "Constant"]
    for node in constants:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
        model.graph.node.remove(node)
    onnx.save(model, str(out))


class Calibration:
    """The calibration's pictures as ONNX Runtime asks for them."""

    def __init__(self, data):
        self.data = iter(data)

    def get_next(self):
        px = next(self.data, None)
        return None if px is None else {"pixels": px}


def onnx_int8(name, a, out):
    """Dynamic for the transformer, whose activations need a range a picture; static for the convolutions."""
    from onnxruntime import quantization
    source = str(made(a, f"{name}.onnx"))
    if name == "ram":
        quantization.quantize_dynamic(source, str(out), weight_type=quantization.QuantType.QInt8, per_channel=True,
                                      op_types_to_quantize=["MatMul"], extra_options={"MatMulConstBOnly": True})
    else:
        quantization.quantize_static(source, str(out), Calibration(calibration(name, a)), per_channel=True,
                                     extra_options={"WeightSymmetric": True})


def openvino_f32(name, a, out):
    import openvino as ov
    ov.save_model(ov.convert_model(str(made(a, f"{name}.onnx"))), str(out), compress_to_fp16=False)


def calibration(name, a):
    files = sorted(x for x in a.pictures.iterdir() if x.suffix.lower() in (".jpg", ".jpeg", ".png"))
    data = []
    for file in [x for x in files if x.name != pathlib.Path(a.image).name]:
        try:
            data.append(picture.pixels(file, name)[None])
        except OSError:
            continue  # a damaged one
        if len(data) == (CALIBRATE if name == "ram" else 100):
            break
    return data


def openvino_int8(name, a, out):
    import nncf
    import openvino as ov
    model, size = ov.Core().read_model(str(made(a, f"{name}.xml"))), picture.MODELS[name].SIZE
    data = calibration(name, a)
    model.reshape([1, 3, size, size])
    how = {"model_type": nncf.ModelType.TRANSFORMER} if name == "ram" else {}
    model = nncf.quantize(model, nncf.Dataset(data), subset_size=len(data), **how)
    model.reshape([-1, 3, size, size])
    ov.save_model(model, str(out), compress_to_fp16=False)


MAKERS = {"{}.pth": pth, "{}.gguf": gguf, "{}-bf16.gguf": gguf, "{}-int8.gguf": gguf, "{}.want": want,
          "{}.onnx": onnx_f32, "{}-int8.onnx": onnx_int8, "{}.xml": openvino_f32, "{}-int8.xml": openvino_int8}
FILES = {k.format(n): (n, f) for n in ("ram", "small") for k, f in MAKERS.items()}
for needless in ("small.pth", "small.gguf", "small-bf16.gguf"):
    del FILES[needless]


def made(a, file, again=False):
    """Path of the file, which is made first if it is not there."""
    out = FOLDER / file
    if out.exists() and not again:
        return out
    name, make = FILES[file]
    FOLDER.mkdir(parents=True, exist_ok=True)
    start, part = time.monotonic(), out.with_name("part-" + out.name)
    make(name, a, part)
    if out.suffix == ".xml":
        os.replace(part.with_suffix(".bin"), out.with_suffix(".bin"))
    os.replace(part, out)
    print(f"{file}: {out.stat().st_size / 1e6:.0f} MB, {time.monotonic() - start:.0f} s", flush=True)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = picture.shared()
    p.add_argument("files", nargs="*", metavar="NAME", help=", ".join(FILES))
    p.add_argument("--bin", default=os.environ.get("ANYTAG_BIN", ROOT / "build" / "cli" / "anytag"))
    p.add_argument("--official", type=pathlib.Path, default=shared / "official",
                   help="folder of the official code's lists, for the conversion")
    p.add_argument("--image", type=pathlib.Path, default=shared / "goldens" / "images" / "street.jpg")
    p.add_argument("--pictures", type=pathlib.Path, default=shared / "goldens" / "images", help="to calibrate NNCF")
    p.add_argument("--small", type=pathlib.Path, default=shared / "default-model",
                   help="folder of model.safetensors and config.json")
    p.add_argument("--again", action="store_true")
    a = p.parse_args()
    unknown = set(a.files) - set(FILES)
    if unknown:
        p.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(FILES)}")
    missing = []
    for file in a.files or FILES:
        try:
            made(a, file, a.again)
        except ImportError as e:
            missing.append(f"{file}: {e.name} is not installed; bench/peers/setup.sh installs it")
    sys.exit("\n".join(missing) or None)


if __name__ == "__main__":
    main()
