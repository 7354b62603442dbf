"""Writes the corpora of the targets image, labels, request and wordnet: small files of every kind that the readers know."""
import base64
import io
import json
import os
import struct
import zlib

import numpy as np
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(folder, name, data):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    with open(os.path.join(HERE, folder, name), "wb") as f:
        f.write(data)


def images():
    rng = np.random.default_rng(1)
    rgb = Image.fromarray(rng.integers(0, 255, (3, 4, 3), dtype=np.uint8)).resize((19, 11), Image.BICUBIC)
    rgba = rgb.convert("RGBA")
    rgba.putalpha(rgb.convert("L"))
    exif = Image.Exif()
    exif[0x112] = 6

    def save(name, picture, **more):
        out = io.BytesIO()
        picture.save(out, os.path.splitext(name)[1][1:].replace("jpg", "jpeg"), **more)
        write("image", name, out.getvalue())

    save("rgb.jpg", rgb, exif=exif)
    save("progressive.jpg", rgb, progressive=True, quality=60)
    save("subsampled.jpg", rgb, subsampling="4:2:0", restart_marker_blocks=1)
    save("grey.jpg", rgb.convert("L"))
    save("cmyk.jpg", rgb.convert("CMYK"))
    save("rgb.png", rgb, exif=exif)
    save("rgba.png", rgba)
    save("grey16.png", Image.fromarray(rng.integers(0, 65535, (5, 7), dtype=np.uint16)))
    palette = rgb.quantize(13)
    save("palette.png", palette, transparency=3)
    save("bits.png", rgb.convert("1"))
    save("lossy.webp", rgb, quality=40, exif=exif)
    save("lossless.webp", rgba, lossless=True)
    save("moving.webp", rgb, save_all=True, append_images=[rgb.transpose(0)])
    save("other.gif", palette)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # Pillow writes no Adam7: 2x2 pixels are passes 1, 6 and 7
    rows = b"".join(b"\0" + bytes(range(3 * n)) for n in (1, 1, 2))
    write("image", "adam7.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 2, 2, 8, 2, 0, 0, 1)) +
          chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def gguf(keys, name, dims, data):
    """A GGUF of one tensor in f32."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def value(v):
        if isinstance(v, str):
            return 8, text(v)
        if isinstance(v, int):
            return 4, struct.pack("<I", v)
        if isinstance(v, float):
            return 6, struct.pack("<f", v)
        return 9, struct.pack("<IQ", value(v[0])[0], len(v)) + b"".join(value(x)[1] for x in v)

    out = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys))
    for key, v in keys.items():
        kind, raw = value(v)
        out += text(key) + struct.pack("<I", kind) + raw
    out += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *reversed(dims)) + struct.pack("<IQ", 0, 0)
    return out + bytes(-len(out) % 32) + data


def labels():
    write("labels", "set.gguf", gguf({
        "general.architecture": "anytag_labels", "anytag.version": 1, "anytag.labels.names": ["cat", "dog"],
        "anytag.labels.names_zh": ["猫", ""], "anytag.labels.thresholds": [0.5, 0.25], "anytag.labels.rows": [1, 2],
        "anytag.labels.model": "m", "anytag.labels.model_id": "0" * 64, "anytag.labels.encoder": "e"},
        "rows", (3, 2), np.arange(1, 7, dtype="<f4").tobytes()))
    write("labels", "words.txt", "# note\nred bicycle\ncat\t猫\t0.5\r\n\nbirthday party\t\t.25\n".encode())
    write("labels", "words.csv", "tag,tag_zh,threshold,description\ncat,猫,0.5,\"a cat, small\"\ncat,,,\"an \"\"animal\"\"\"\ndog,,,\n".encode())
    write("labels", "bom.csv", "\ufefftag;description\n".encode() + b"tag,description\nx,y\n")
    write("labels", "evil.csv", b'tag,threshold\nx,"1\n\xff\x1b"\n')  # an error shows what is no threshold
    write("labels", "evil.json", json.dumps({"a\n\x1b" + "é" * 60: 1}).encode())  # and cuts a name
    write("labels", "object.json", json.dumps({"cat": ["a cat", "small 猫"], "dog": []}).encode())
    write("labels", "official.json", json.dumps([{"cat": ["a cat"]}, {"dog": ["a dog", "a pet"]}]).encode())


def requests():
    """What a client sends, or, behind the number of its headers in request.c, a body."""
    out = io.BytesIO()
    Image.new("L", (2, 2), 99).save(out, "PNG")
    dot, line = out.getvalue(), b" HTTP/1.1\r\nHost: localhost\r\n"
    encoded = base64.b64encode(dot).decode()
    url = "data:image/png;base64," + encoded

    def form(*parts):
        return b"".join(b"--xXx\r\nContent-Disposition: form-data; name=\"" + name + b"\"" + file + b"\r\n\r\n" + data + b"\r\n" for name, file, data in parts) + b"--xXx--\r\n"
    picture = (b"image", b"; filename=\"a.png\"\r\nContent-Type: image/png", dot)
    view = "<View><Image name='i' value='$u'/><Choices name='c' toName='i'><Choice value='dog'/></Choices></View>"
    bodies = {"form": (0, form(picture, (b"top", b"", b"3"))), "json": (1, {"image": {"base64": encoded, "name": "a"}, "only": ["dog", "cat"], "threshold": "auto+0.1"}),
              "raw": (2, dot), "heat": (3, form(picture, (b"tag", b"", b"dog"))), "heat_json": (4, {"image": {"url": url}, "tag": "dog", "size": "model", "crop": [0, 0, 2, 2]}),
              "embed": (5, {"text": "a dog"}), "predict": (6, {"tasks": [{"id": 1, "data": {"u": url}}], "project": "1.17", "label_config": view}),
              "immich": (7, form((b"entries", b"", b'{"clip":{"textual":{"modelName":"ViT"}}}'), (b"text", b"", b"dog"))), "setup": (8, {"project": "1.17", "schema": view}),
              "webhook": (9, {"action": "ANNOTATION_CREATED", "project": {"id": 1}}), "photoprism": (10, {"id": "1", "images": [url]}),
              "jobs": (11, {"images": [{"base64": encoded}] * 3, "paths": ["a.png", "../b"]}), "jobs_form": (12, form(picture, picture)),
              "chunked": (13, form(picture)), "chunked_json": (14, {"images": [{"path": "a.png"}, {"url": "http://localhost/"}]})}
    for name, (head, body) in bodies.items():
        write("request", name, bytes([head]) + (body if isinstance(body, bytes) else json.dumps(body).encode()))
    pages = (b"/", b"/health", b"/metrics", b"/openapi.json", b"/v1/models", b"/ui/app.js", b"/v1/jobs/0000000000000/events?token=0")
    wires = {"get": b"GET /v1/tags?q=d%6Fg&limit=2&lang=en,zh" + line + b"Accept-Encoding: gzip;q=0.5\r\nIf-None-Match: \"x\"\r\n\r\n",
             "pages": b"".join(b"GET " + p + line + b"\r\n" for p in pages),
             "pipeline": (b"POST /v1/tag?top=1&scores=1" + line + b"X-Request-Id: a-1\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(dot) + dot) * 2,
             "trailers": b"POST /v1/tag" + line + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n4;a=b;c=\"d\"\r\n\x89PNG\r\n0;x\r\nX: y\r\n z\r\n\r\n",
             "folded": b"OPTIONS /v1/tag" + line + b"Origin: http://a\r\nX: a\r\n b\r\n\tc\r\nCookie: a=b; c=\"d\";;=e\r\nX\0Y: \0\r\n\r\n",
             "expect": b"POST /v1/tag" + line + b"Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"top\":1}",
             "both": b"POST /v1/tag" + line + b"Content-Type: image/png\r\nContent-Length: 3\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
             "old": b"HEAD /health HTTP/1.0\r\nAuthorization: Basic YTpi\r\nConnection: keep-alive\r\n\r\nDELETE /v1/jobs/0123456789ABC HTTP/1.1\r\n\r\n"}
    for name, data in wires.items():
        write("request", name, data)


def wordnet():
    def file(name):
        with open(os.path.join(HERE, "..", "..", "wordnet", name), "rb") as f:
            return f.read()

    files = [file(n) for n in ("index.noun", "data.noun", "noun.exc", "index.verb", "data.verb")]
    for name, word in (("bird", "cranes (birds)"), ("number", "dog#2"), ("dotted", "crane.n.02"), ("exception", file("noun.exc").split()[0].decode()), ("list", "dog,crane#3,nowhere")):
        write("wordnet", name, b"\0".join([word.encode(), *files]))
    # short ones, so that most changes meet what is read
    line = b"00000000 05 n 01 dog 0 001 @ 00000000 n 0000 | its own kind; \"a dog\"  \n"
    write("wordnet", "circle", b"dog\0dog n 1 1 @ 1 0 00000000  \n\0" + line)
    write("wordnet", "evil", "no\n\x1bword ".encode() + "é".encode() * 60)  # an error shows the word, and cuts it
    licence = b"  1 a licence  \n"
    line = b"%08d 05 n 02 dog 0 hound 0 000 | an animal  \n" % len(licence)
    write("wordnet", "one", b"dogs\0" + licence + b"dog n 1 0 1 0 %08d  \n\0" % len(licence) + licence + line)


images()
labels()
requests()
wordnet()
