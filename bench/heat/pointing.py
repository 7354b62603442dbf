#!/usr/bin/env python3
"""Do the maps of anytag tag --heatmap point at the thing? Two measures, each beside chance.

  pointing.py --anytag build/cli/anytag --pictures DIR [--count 160]
      composites: four pictures in quadrants; a tag that one of them alone has should be hottest in its quadrant
      (chance 0.25). Needs no annotation.
  pointing.py --anytag build/cli/anytag --coco instances.json --images DIR [--coco ... --images ...]
      the pointing game (Zhang et al., arXiv 1608.00507): of tags that were found and are there, is the hottest
      place in one of their boxes? Chance is the boxes' share of the picture; "middle" points at the picture's
      middle each time. Boxes of --boxes-from-heatmap are compared too, with the box of half the picture's sides
      around the middle and with the whole picture.

Tags whose names are categories are compared. Pictures are not scaled; the map is the PNG of --heatmap-raw.
"""
import argparse
import collections
import json
import pathlib
import random
import subprocess
import tempfile

import numpy as np
from PIL import Image


def run(args, *more):
    command = [args.anytag, "tag", "-q", "-f", "jsonl", *(["-m", args.model] if args.model else []), *map(str, more)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    return [json.loads(line) for line in lines if '"tags"' in line]


def hottest(path):
    """Its place (y, x), the middle of the places that are equally hot; None for a cold map."""
    grey = np.asarray(Image.open(path))
    if not grey.max():
        return None
    y, x = np.nonzero(grey == grey.max())
    return int(y.mean()), int(x.mean())


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return both / (area(a) + area(b) - both)


def composites(args):
    files = sorted(p for p in pathlib.Path(args.pictures).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:args.count]
    info = [args.anytag, "info", "--tags", "-f", "json", *(["-m", args.model] if args.model else [])]
    limit = {t["name"]: t["threshold"] for t in json.loads(subprocess.run(info, stdout=subprocess.PIPE, check=True).stdout)["tag_list"]}
    scores = {r["source"]["path"]: {t["name"]: t["score"] / limit[t["name"]] for t in r["tags"]}
              for r in run(args, "-t", "0", *files)}
    random.Random(1).shuffle(files)
    right = total = 0
    energy = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(0, len(files) - 3, 4):
            four, side = files[k:k + 4], 224
            own = [(q, tag) for q, f in enumerate(four) for tag, s in scores[str(f)].items()
                   if s > 1 and all(scores[str(g)][tag] < 0.5 for g in four if g != f)]
            if not own:
                continue
            picture = pathlib.Path(folder, f"{k}.png")
            whole = Image.new("RGB", (2 * side, 2 * side))
            for q, f in enumerate(four):
                whole.paste(Image.open(f).convert("RGB").resize((side, side), Image.BILINEAR), (q % 2 * side, q // 2 * side))
            whole.save(picture)
            run(args, "--heatmap", folder + "/maps", "--heatmap-raw", "--heatmap-tags", ",".join(t for _, t in own), picture)
            for q, tag in own:
                path = pathlib.Path(folder, "maps", picture.name, tag.replace("/", "_") + ".png")
                place, grey = hottest(path), np.asarray(Image.open(path)).astype(float)
                total += 1
                right += place is not None and (place[0] // side, place[1] // side) == (q // 2, q % 2)
                energy.append(grey[q // 2 * side:][:side, q % 2 * side:][:, :side].sum() / max(grey.sum(), 1))
    print(f"composites of four: {total} tags, hottest place in the right quadrant {right / total:.3f} (chance 0.250), "
          f"share of the map's sum there {np.mean(energy):.3f} (chance 0.250)")


def annotated(files, folders):
    for file, folder in zip(files, folders):
        data = json.loads(pathlib.Path(file).read_text("utf-8"))
        names = {c["id"]: c["name"] for c in data["categories"]}
        boxes = collections.defaultdict(lambda: collections.defaultdict(list))
        for a in data["annotations"]:
            if not a.get("iscrowd"):
                x, y, w, h = a["bbox"]
                boxes[a["image_id"]][names[a["category_id"]]].append((x, y, x + w, y + h))
        for image in data["images"]:
            path = pathlib.Path(folder, image["file_name"])
            if image["id"] in boxes and path.exists():
                yield path, boxes[image["id"]]


def coco(args):
    truth = dict(annotated(args.coco, args.images))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for r in run(args, "--heatmap", folder, "--heatmap-raw", "--boxes-from-heatmap", *truth):
            path = pathlib.Path(r["source"]["path"])
            w, h = r["source"]["width"], r["source"]["height"]
            inside = lambda b, y, x: b[0] <= x < b[2] and b[1] <= y < b[3]
            for tag in r["tags"]:
                boxes = truth[path].get(tag["name"])
                if not boxes:
                    continue
                mask = np.zeros((h, w), bool)
                for b in boxes:
                    mask[int(b[1]):int(np.ceil(b[3])), int(b[0]):int(np.ceil(b[2]))] = True
                place = hottest(pathlib.Path(folder, path.name, tag["name"] + ".png"))
                drawn = [o["box"] for o in r["objects"] if o["label"] == tag["name"]]
                best = lambda box: max(iou(box, b) for b in boxes)
                rows.append((place is not None and any(inside(b, *place) for b in boxes),
                             any(inside(b, h // 2, w // 2) for b in boxes), mask.mean(),
                             best(drawn[0]) if drawn else 0, best((w / 4, h / 4, 3 * w / 4, 3 * h / 4)), best((0, 0, w, h))))
    a = np.array(rows, float)
    for name, a in (("all", a), ("those whose boxes cover less than a quarter", a[a[:, 2] < 0.25])):
        m = a.mean(0)
        print(f"boxes, {name}: {len(a)} tags, hottest place in a box {m[0]:.3f} (chance {m[2]:.3f}, middle {m[1]:.3f}); "
              f"mean IoU of the first box {m[3]:.3f} (middle half {m[4]:.3f}, whole picture {m[5]:.3f}), "
              f"IoU of 0.5 or more {(a[:, 3] >= .5).mean():.3f} ({(a[:, 4] >= .5).mean():.3f}, {(a[:, 5] >= .5).mean():.3f})")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--anytag", default="build/cli/anytag")
    p.add_argument("--model")
    p.add_argument("--pictures")
    p.add_argument("--count", type=int, default=160)
    p.add_argument("--coco", action="append", default=[])
    p.add_argument("--images", action="append", default=[])
    args = p.parse_args()
    if args.pictures:
        composites(args)
    if args.coco:
        coco(args)


if __name__ == "__main__":
    main()
