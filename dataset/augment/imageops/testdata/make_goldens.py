#!/usr/bin/env python3
"""Writes what Pillow, torchvision and timm make of small pictures, for the tests of package imageops.

    make_goldens.py                  writes goldens.json and goldens.bin.gz beside this file
    make_goldens.py OUTDIR           writes them into OUTDIR
    make_goldens.py REQUEST ANSWER   applies the cases of another such file (pictures in REQUEST.json and REQUEST.bin.gz) and
                                     writes the results to ANSWER, uncompressed

goldens.json lists pictures and cases. goldens.bin.gz holds, RGB row by row, the pictures, then for every case its result on every
picture. Needs the packages that goldens.json names under made_by.
"""
import gzip
import json
import pathlib
import sys

import numpy as np
import PIL
import timm
import torch
import torchvision
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from timm.data import auto_augment as aa
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def affine(img, c):
    return img.transform(img.size, Image.AFFINE, c["args"], FILTERS[c["filter"]], fillcolor=tuple(c["fill"]))


def rotate(img, c):
    return img.rotate(c["args"][0], FILTERS[c["filter"]], fillcolor=tuple(c["fill"]))


def window(img, c):
    """torchvision pads on all sides and crops; args are top, left, height, width of the window."""
    top, left, height, width = c["args"]
    w, h = img.size
    padding = [max(-left, 0), max(-top, 0), max(left + width - w, 0), max(top + height - h, 0)]
    img = F.pad(img, padding, fill=tuple(c["fill"]), padding_mode=c["padding"])
    return F.crop(img, max(top, 0), max(left, 0), height, width)


def erase(img, c):
    x0, y0, x1, y1 = c["args"]
    t = F.pil_to_tensor(img)
    v = torch.tensor(c["fill"], dtype=torch.uint8)[:, None, None]
    return F.to_pil_image(F.erase(t, y0, x0, y1 - y0, x1 - x0, v))


OPS = {
    "invert": lambda img, c: ImageOps.invert(img),
    "posterize": lambda img, c: ImageOps.posterize(img, int(c["args"][0])),
    "solarize": lambda img, c: ImageOps.solarize(img, c["args"][0]),
    "solarize_add": lambda img, c: aa.solarize_add(img, int(c["args"][0]), int(c["args"][1])),
    "autocontrast": lambda img, c: ImageOps.autocontrast(img),
    "equalize": lambda img, c: ImageOps.equalize(img),
    "grayscale": lambda img, c: F.rgb_to_grayscale(img, 3),
    "brightness": lambda img, c: ImageEnhance.Brightness(img).enhance(c["args"][0]),
    "contrast": lambda img, c: ImageEnhance.Contrast(img).enhance(c["args"][0]),
    "color": lambda img, c: ImageEnhance.Color(img).enhance(c["args"][0]),
    "sharpness": lambda img, c: ImageEnhance.Sharpness(img).enhance(c["args"][0]),
    "hue": lambda img, c: F.adjust_hue(img, c["args"][0]),
    "gaussian_blur": lambda img, c: img.filter(ImageFilter.GaussianBlur(c["args"][0])),
    "kernel_blur": lambda img, c: F.gaussian_blur(img, [int(c["args"][0])] * 2, [c["args"][1]] * 2),
    "affine": affine,
    "rotate": rotate,
    "window": window,
    "erase": erase,
    "flip_horizontal": lambda img, c: F.hflip(img),
    "flip_vertical": lambda img, c: F.vflip(img),
}


def pictures():
    """A gradient, noise, and something like a photo: soft shapes of few colours with a dark and a light end missing."""
    y, x = np.mgrid[0:16, 0:22]
    gradient = np.stack([x * 255 // 21, y * 255 // 15, (x + y) * 255 // 36], -1)
    noise = np.random.default_rng(1).integers(0, 256, (13, 17, 3))
    y, x = np.mgrid[0:18, 0:18] / 18.0
    wave = np.stack([np.sin(5 * x + 3 * y * y), np.cos(4 * y - x), np.sin(9 * x * y)], -1)
    photo = 40 + 75 * (wave + 1) + np.random.default_rng(2).integers(0, 12, (18, 18, 3))
    return [("gradient", gradient), ("noise", noise), ("photo", photo)]


def cases():
    def case(op, *args, **more):
        return {"op": op, "args": list(args), **more}

    yield case("invert")
    for bits in (1, 3, 4, 8):
        yield case("posterize", bits)
    for threshold in (0, 25.5, 110, 128, 256):
        yield case("solarize", threshold)
    yield case("solarize_add", 33, 128)
    yield case("solarize_add", 110, 128)
    yield case("autocontrast")
    yield case("equalize")
    yield case("grayscale")
    for op in ("brightness", "contrast", "color", "sharpness"):
        for factor in (0.0, 0.1, 0.64, 1.0, 1.37, 1.9):
            yield case(op, factor)
    for shift in (-0.5, -0.1, 0.0, 0.05, 0.4):
        yield case("hue", shift)
    for radius in (0.1, 0.7, 1.3, 2.0, 9.0):
        yield case("gaussian_blur", radius)
    for size, sigma in ((3, 0.8), (11, 0.1), (11, 2.0)):
        yield case("kernel_blur", size, sigma, tolerance=1)
    for name in FILTERS:
        for degrees in (0, 9, -30, 45, 90, 135, 180, -90):
            yield case("rotate", degrees, filter=name, fill=[124, 116, 104])
        for matrix in ((1, 0.3, 0, 0, 1, 0), (1, -0.17, 0, 0, 1, 0), (1, 0, 0, 0.27, 1, 0), (1, 0, 7.2, 0, 1, 0), (1, 0, 0, 0, 1, -3.5),
                       (1, 0, -4, 0, 1, 0), (0.8, 0.1, 2, -0.2, 1.1, 1)):
            yield case("affine", *matrix, filter=name, fill=[0, 128, 255])
    for mode in ("constant", "edge", "reflect", "symmetric"):
        for at in ((-4, 3, 13, 17), (4, -4, 13, 17), (2, 1, 9, 9), (-3, -5, 24, 32)):
            yield case("window", *at, padding=mode, fill=[9, 99, 199])
    yield case("erase", 3, 2, 11, 9, fill=[124, 116, 104])
    yield case("flip_horizontal")
    yield case("flip_vertical")


def write(out):
    named = [(name, np.ascontiguousarray(p).astype(np.uint8)) for name, p in pictures()]
    listed = list(cases())
    versions = {m.__name__: m.__version__ for m in (PIL, timm, torch, torchvision)}
    text = {
        "made_by": versions,
        "pictures": [{"name": n, "width": p.shape[1], "height": p.shape[0]} for n, p in named],
        "cases": listed,
    }
    lines = ['{"made_by": ' + json.dumps(versions), '"pictures": ' + json.dumps(text["pictures"])]
    lines.append('"cases": [\n' + ",\n".join(json.dumps(c) for c in listed) + "\n]}")
    (out / "goldens.json").write_text(",\n".join(lines) + "\n")
    body = b"".join(p.tobytes() for _, p in named) + results(listed, [p for _, p in named])
    with open(out / "goldens.bin.gz", "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as f:
        f.write(body)


def results(listed, arrays):
    out = []
    for c in listed:
        for a in arrays:
            out.append(np.asarray(OPS[c["op"]](Image.fromarray(a), c)).tobytes())
    return b"".join(out)


def answer(request, to):
    listed = json.loads(pathlib.Path(request + ".json").read_text())
    body = gzip.decompress(pathlib.Path(request + ".bin.gz").read_bytes())
    arrays = []
    for p in listed["pictures"]:
        n = p["width"] * p["height"] * 3
        arrays.append(np.frombuffer(body[:n], np.uint8).reshape(p["height"], p["width"], 3))
        body = body[n:]
    pathlib.Path(to).write_bytes(results(listed["cases"], arrays))


if len(sys.argv) == 3:
    answer(*sys.argv[1:])
else:
    write(pathlib.Path(sys.argv[1] if len(sys.argv) == 2 else pathlib.Path(__file__).parent))
