#!/usr/bin/env python3
"""Writes what torchvision and timm do with fixed parameters, for the tests of package augment.

    make_goldens.py          writes goldens.json and goldens.bin.gz beside this file
    make_goldens.py OUTDIR   writes them into OUTDIR
    make_goldens.py draws    prints, as JSON, parameters as torchvision and timm draw them, for tests of distributions

goldens.json holds tables and a list of results; goldens.bin.gz holds a picture, a batch of four, and the results' bytes in that
order. Needs the packages that goldens.json names under made_by.
"""
import gzip
import json
import math
import pathlib
import random
import sys
from unittest import mock

import numpy as np
import PIL
import timm
import torch
import torchvision
from PIL import Image
from timm.data import auto_augment as aa
from timm.data import mixup
from timm.data.transforms import RandomResizedCropAndInterpolation
from torchvision import transforms as T
from torchvision.transforms import autoaugment as tv
from torchvision.transforms import functional as F

WIDTH, HEIGHT = 22, 18
FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
MODES = {"nearest": F.InterpolationMode.NEAREST, "bilinear": F.InterpolationMode.BILINEAR, "bicubic": F.InterpolationMode.BICUBIC}
MAGNITUDES = [0, 0.4, 1, 2.5, 3, 4.99, 5, 6.2, 7, 8.3, 9, 9.7, 10, 14]
TIMM_OPS = [n for n in aa.LEVEL_TO_ARG if n not in ("TranslateX", "TranslateY")]


def photo(height, width, seed):
    y, x = np.mgrid[0:height, 0:width] / 24.0
    wave = np.stack([np.sin(5 * x + 3 * y * y + seed), np.cos(4 * y - x), np.sin(9 * x * y)], -1)
    return (40 + 75 * (wave + 1) + np.random.default_rng(seed).integers(0, 12, (height, width, 3))).astype(np.uint8)


def timm_levels():
    """For every operation its argument at every magnitude, for either side of the coin; shifts in pixels of the picture."""
    table = {}
    for name in TIMM_OPS:
        fn = aa.LEVEL_TO_ARG[name]
        if fn is None:
            continue
        rows = []
        for coin in (0.0, 1.0):
            with mock.patch("random.random", lambda: coin):
                args = [fn(m, dict(aa._HPARAMS_DEFAULT))[0] for m in MAGNITUDES]
            side = {"TranslateXRel": WIDTH, "TranslateYRel": HEIGHT}.get(name, 1)
            rows.append([float(a * side) for a in args])
        if name == "Desaturate":  # timm's function turns the argument into the factor of ImageEnhance.Color
            rows = [[min(1.0, max(0.0, 1.0 - v)) for v in r] for r in rows]
        table[name] = rows
    return table


def torchvision_spaces():
    """For every policy and operation the argument in every bin, with a positive sign."""
    def values(space):
        out = {}
        for name, (magnitudes, _) in space.items():
            if magnitudes.ndim:
                v = [float(m) for m in magnitudes]
                if name.startswith("Translate"):
                    v = [-float(int(m)) for m in v]  # as Image.transform takes it
                if name in ("Brightness", "Color", "Contrast", "Sharpness"):
                    v = [1.0 + m for m in v]
                out[name] = v
        return out

    size = (HEIGHT, WIDTH)
    return {
        "auto": values(tv.AutoAugment()._augmentation_space(10, size)),
        "rand": values(tv.RandAugment()._augmentation_space(31, size)),
        "trivial": values(tv.TrivialAugmentWide()._augmentation_space(31)),
    }


def policies():
    table = {}
    for name in ("v0", "v0r", "original", "originalr", "3a"):
        table[name] = [[[o.name, o.prob, o.magnitude] for o in row] for row in aa.auto_augment_policy(name, dict(aa._HPARAMS_DEFAULT))]
    for p in tv.AutoAugmentPolicy:
        table["autoaugment-" + p.value] = [[[n, q, m or 0] for n, q, m in row] for row in tv.AutoAugment(p).policies]
    return table


def lists():
    out = {}
    for text in ("rand", "rand-inc1", "rand-t3a", "rand-t3aw", "rand-tweights"):
        t = aa.rand_augment_transform(text, dict(aa._HPARAMS_DEFAULT))
        weights = t.choice_weights.tolist() if t.choice_weights is not None else None
        out[text] = {"names": [o.name for o in t.ops], "weights": weights}
    out["augmix"] = {"names": [o.name for o in aa.augment_and_mix_transform("augmix", dict(aa._HPARAMS_DEFAULT)).ops], "weights": None}
    return out


def results(img, batch):
    def out(kind, result, **more):
        array = np.asarray(result)
        return {"kind": kind, "height": array.shape[-3], "width": array.shape[-2], **more}, array.tobytes()

    for interpolation in ("bilinear", "bicubic"):
        for box in ((0, 0, 18, 22), (3, 5, 14, 13), (1, 2, 7, 19), (2, 4, 12, 12), (10, 11, 3, 2)):
            yield out("resized_crop", F.resized_crop(img, *box, (12, 12), MODES[interpolation]), box=box, interpolation=interpolation)
    for side in (12, 18, 23):
        whole = T.Compose([T.Resize(side, MODES["bilinear"]), T.CenterCrop(side)])(img)
        yield out("centre_crop", whole, side=side)
        for mode in ("constant", "reflect"):
            padded = F.pad(F.resize(img, [side], MODES["bilinear"]), 4, padding_mode=mode)
            for top, left in ((0, 0), (3, 7), (8, 2)):
                yield out("padded_crop", F.crop(padded, top, left, side, side), side=side, padding=mode, box=(top - 4, left - 4, side, side))

    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        factors = (1.3, 0.7, 1.4, -0.08)
        jitter = T.ColorJitter(0.4, 0.4, 0.4, 0.1)
        with mock.patch.object(T.ColorJitter, "get_params", lambda *a: (torch.tensor(order), *factors)):
            yield out("jitter", jitter(img), order=order, factors=factors)

    for name in TIMM_OPS:
        for level in (2, 9):
            if name == "GaussianBlurRand":
                continue
            for interpolation in ("bilinear", "bicubic"):
                fn = aa.LEVEL_TO_ARG[name]
                with mock.patch("random.random", lambda: 1.0):
                    args = fn(level, dict(aa._HPARAMS_DEFAULT)) if fn else ()
                if fn is None and (level, interpolation) != (2, "bilinear"):
                    continue
                if name.startswith("Posterize") and args[0] < 1:
                    continue
                got = aa.NAME_TO_OP[name](img, *args, fillcolor=(124, 116, 104), resample=FILTERS[interpolation])
                yield out("timm", got, op=name, level=level, interpolation=interpolation, negate=True)

    for space, made, bins in (("auto", tv.AutoAugment(), 10), ("rand", tv.RandAugment(), 31), ("trivial", tv.TrivialAugmentWide(), 31)):
        args = () if space == "trivial" else ((HEIGHT, WIDTH),)
        for name, (magnitudes, signed) in made._augmentation_space(bins, *args).items():
            for bin in (1, bins - 1) if magnitudes.ndim else (0,):
                for negate in (False, True) if signed else (False,):
                    m = float(magnitudes[bin]) if magnitudes.ndim else 0.0
                    got = tv._apply_op(img, name, -m if negate else m, MODES["nearest"], None)
                    yield out("torchvision", got, space=space, op=name, bin=bin, negate=negate)

    chains = [[("Rotate", 20.0)], [("ColorIncreasing", 1.7)], [("SolarizeIncreasing", 90.0)]]
    ops = [lambda im, n=c[0][0], v=c[0][1]: aa.NAME_TO_OP[n](im, v, fillcolor=(124, 116, 104), resample=Image.BICUBIC) for c in chains]
    shares, share = np.float32([0.2, 0.5, 0.3]), np.float32(0.6)
    for blended in (False, True):
        it = iter(ops)
        with mock.patch("numpy.random.choice", lambda *a, **k: [next(it)]):
            mix = aa.AugMixAugment(ops, depth=1, blended=blended)
            got = mix._apply_blended(img, shares, share) if blended else mix._apply_basic(img, shares, share)
        yield out("augmix", got, blended=blended, tolerance=1 if blended else 0)

    labels = [2, 0, 3, 2]
    for lam, box, smoothing in ((0.3, None, 0.1), (0.5, None, 0.0), (0.875, None, 0.2), (0.7, (3, 9, 2, 14), 0.1), (0.2, (0, 18, 0, 13), 0.0)):
        def params(self, lam=lam, box=box):
            return lam, box is not None

        def corrected(shape, lam, box=box, **_):
            yl, yh, xl, xh = box
            return box, 1.0 - (yh - yl) * (xh - xl) / float(shape[-2] * shape[-1])

        with mock.patch.object(mixup.Mixup, "_params_per_batch", params), mock.patch.object(mixup, "cutmix_bbox_and_lam", corrected):
            collate = mixup.FastCollateMixup(mixup_alpha=1, cutmix_alpha=1, label_smoothing=smoothing, num_classes=4)
            images, targets = collate([(np.ascontiguousarray(b.transpose(2, 0, 1)).copy(), y) for b, y in zip(batch, labels)])
        if box is not None:
            lam = corrected((HEIGHT, WIDTH), lam)[1]
        yield out("mix", images.numpy().transpose(0, 2, 3, 1), lam=lam, box=box or (0, 0, 0, 0), smoothing=smoothing, labels=labels,
                  targets=targets.flatten().tolist())


def write(to):
    array = photo(HEIGHT, WIDTH, 1)
    batch = [photo(HEIGHT, WIDTH, s) for s in range(2, 6)]
    listed, body = [], [array.tobytes(), *(b.tobytes() for b in batch)]
    for entry, data in results(Image.fromarray(array), batch):
        listed.append(entry)
        body.append(data)
    head = {
        "made_by": {m.__name__: m.__version__ for m in (PIL, timm, torch, torchvision)},
        "width": WIDTH, "height": HEIGHT, "magnitudes": MAGNITUDES,
        "timm_levels": timm_levels(), "spaces": torchvision_spaces(), "policies": policies(), "lists": lists(),
    }
    lines = [json.dumps(k) + ": " + json.dumps(v) for k, v in head.items()]
    lines.append('"results": [\n' + ",\n".join(json.dumps(e) for e in listed) + "\n]")
    (to / "goldens.json").write_text("{" + ",\n".join(lines) + "}\n")
    with open(to / "goldens.bin.gz", "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as f:
        f.write(b"".join(body))


def draws():
    """Parameters as drawn, by the tens of thousands."""
    n, out = 10_000, {}
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    tensor, img = torch.zeros(3, 120, 200), Image.new("RGB", (200, 120))
    scale, ratio = [0.08, 1.0], [3 / 4, 4 / 3]
    out["torchvision_crop"] = [T.RandomResizedCrop.get_params(tensor, scale, ratio) for _ in range(n)]
    out["timm_crop"] = [RandomResizedCropAndInterpolation.get_params(img, scale, ratio) for _ in range(n)]
    out["beta"] = {str(a): np.random.beta(a, a, n).tolist() for a in (0.2, 0.8, 1.0, 3.0)}
    out["dirichlet"] = np.random.dirichlet([1.0] * 3, n)[:, 0].tolist()
    boxes = [mixup.cutmix_bbox_and_lam((3, 32, 32), np.random.beta(1, 1)) for _ in range(n)]
    out["cutmix_lambda"] = [float(lam) for _, lam in boxes]
    minmax = [mixup.cutmix_bbox_and_lam((3, 32, 32), 1, ratio_minmax=(0.2, 0.8)) for _ in range(n)]
    out["minmax_lambda"] = [float(lam) for _, lam in minmax]
    eraser = timm.data.random_erasing.RandomErasing(0.5, max_count=3, device="cpu")
    erased = []
    for _ in range(n):
        t = torch.ones(1, 32, 32)
        erased.append(int((eraser(t) == 0).sum()))
    out["erased"] = erased
    # How often an operation is applied, and at which rotation, by timm's RandAugment.
    names, angles = {}, []

    def record(name, fn):
        def call(img, *args, **kwargs):
            names[name] = names.get(name, 0) + 1
            if name == "Rotate":
                angles.append(args[0])
            return img
        return call

    for text in ("rand-m9-mstd0.5-inc1", "rand-n3-tweights", "rand-m7-n4-mstd101-p0.8"):
        names.clear()
        angles.clear()
        with mock.patch.dict(aa.NAME_TO_OP, {k: record(k, v) for k, v in aa.NAME_TO_OP.items()}):
            ra = aa.rand_augment_transform(text, dict(aa._HPARAMS_DEFAULT))
            for _ in range(n):
                ra(img)
        out[text] = {"counts": dict(names), "angles": list(angles)}
    print(json.dumps(out))


if sys.argv[1:] == ["draws"]:
    draws()
else:
    write(pathlib.Path(sys.argv[1] if len(sys.argv) == 2 else pathlib.Path(__file__).parent))
