"""Makes the pictures in this folder and what Pillow and timm make of them.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install pillow==13.0.0 numpy==2.4.6 timm==1.0.31 torch==2.11.0 torchvision==0.26.0
    /tmp/v/bin/python vision/testdata/make_goldens.py

With a folder as argument it makes no goldens but writes pillow.sha256 there: what Pillow and timm make of every picture in it.
TORCHLIT_PHOTOS=<folder> go test ./vision then compares, at the price of real photos instead of drawn ones.

goldens.json lists every case and the versions that made it; above all the libjpeg-turbo inside Pillow, because JPEG decoders
differ in the last bit. Everything is drawn from a fixed seed, so a run changes files only where a version changes pixels.
"""

import hashlib
import io
import json
import platform
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from PIL import Image, ImageDraw, ImageFilter, ImageOps, features
from timm.data import create_transform

HERE = Path(__file__).parent
rng = np.random.default_rng(20240817)
decode_cases, preprocess_cases = [], []


def photo(width, height, noise=6):
    """Looks like a photo to a codec: a sky, hard edges, soft shadows, saturated colours, sensor noise."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    sky = np.stack([90 + 120 * y, 140 + 70 * np.sin(3 * x), 230 - 160 * y], -1)
    im = Image.fromarray(sky.clip(0, 255).astype(np.uint8))
    d = ImageDraw.Draw(im)
    w, h = width, height
    d.ellipse([w * 0.1, h * 0.1, w * 0.5, h * 0.7], fill=(220, 40, 30))
    d.polygon([(w * 0.45, h), (w * 0.7, h * 0.25), (w * 0.98, h)], fill=(20, 130, 50))
    d.rectangle([w * 0.6, h * 0.05, w * 0.95, h * 0.3], fill=(250, 240, 20), outline=(10, 10, 120))
    for i in range(0, w, 7):
        d.line([(i, h * 0.85), (i + w * 0.05, h)], fill=(5, 5, 8))
    im = Image.blend(im, im.filter(ImageFilter.GaussianBlur(2)), 0.4)
    grain = rng.normal(0, noise, (height, width, 3))
    return Image.fromarray((np.asarray(im) + grain).clip(0, 255).astype(np.uint8))


def as_pillow_sees(data):
    im = Image.open(io.BytesIO(data))
    return ImageOps.exif_transpose(im).convert("RGB")


def case(name, data, want=None, go_tolerance=None):
    """Writes an input and its expected pixels. go_tolerance is the mean error allowed to Go's own JPEG decoder."""
    (HERE / name).write_bytes(data)
    want = want or as_pillow_sees(data)
    want = Image.fromarray(np.asarray(want))  # without the metadata, which Pillow would save too
    want.save(HERE / "decoded" / (name + ".png"), optimize=True)
    entry = {"file": name}
    if go_tolerance is not None:
        entry["go_tolerance"] = go_tolerance
    decode_cases.append(entry)


def encoded(im, fmt, **options):
    out = io.BytesIO()
    im.save(out, fmt, **options)
    return out.getvalue()


def exif_block(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + head + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, interlace=0, extra=b""):
    """A PNG from raw scanlines, for the kinds that Pillow does not write."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    raw = b"".join(b"\0" + r for r in rows)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + extra + png_chunk(b"IDAT", zlib.compress(raw, 9))
            + png_chunk(b"IEND", b""))


def jpegs():
    im = photo(99, 67)
    for name, sampling in [("444", 0), ("422", 1), ("420", 2)]:
        case(f"baseline_{name}.jpg", encoded(im, "JPEG", quality=88, subsampling=sampling), go_tolerance=1 if sampling == 0 else 4)
    case("progressive_420.jpg", encoded(im, "JPEG", quality=85, progressive=True), go_tolerance=4)
    case("restart_420.jpg", encoded(im, "JPEG", quality=85, restart_marker_blocks=2), go_tolerance=4)
    case("low_quality.jpg", encoded(im, "JPEG", quality=12), go_tolerance=5)
    case("grey.jpg", encoded(im.convert("L"), "JPEG", quality=88), go_tolerance=1)
    case("rgb.jpg", encoded(im, "JPEG", quality=88, keep_rgb=True), go_tolerance=1)
    cmyk = encoded(im.convert("CMYK"), "JPEG", quality=88)
    case("cmyk.jpg", cmyk, go_tolerance=1)
    at = cmyk.index(b"Adobe") + 11  # the transform flag; 2 makes the same data YCCK: odd colours, but every decoder's
    assert cmyk[at] == 0
    case("ycck.jpg", cmyk[:at] + b"\2" + cmyk[at + 1:], go_tolerance=1)
    one = encoded(photo(1, 1), "JPEG", quality=90)
    case("one_pixel.jpg", one, go_tolerance=1)

    whole = encoded(im, "JPEG", quality=88)
    case("no_end_marker.jpg", whole[:-2], want=as_pillow_sees(whole), go_tolerance=4)
    case("webcam_padding.jpg", whole[:-2] + b"\x12\x34" + whole[-2:], go_tolerance=4)
    dqt = whole.index(b"\xff\xdb")
    case("garbage_between_segments.jpg", whole[:dqt] + b"\0\1\2\3" + whole[dqt:], go_tolerance=4)

    small = photo(40, 24, noise=3)
    for o in range(1, 9):
        exif = exif_block(o, "<" if o % 2 else ">")
        case(f"exif_{o}.jpg", encoded(small, "JPEG", quality=90, subsampling=0, exif=exif), go_tolerance=1)
    case("exif_broken.jpg", encoded(small, "JPEG", quality=90, subsampling=0, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"), go_tolerance=1)


def pngs():
    im = photo(37, 29)
    a = np.asarray(im)
    mask = Image.fromarray((np.mgrid[0:29, 0:37][1] * 6).astype(np.uint8))
    rgba = im.copy()
    rgba.putalpha(mask)
    la = im.convert("L")
    la.putalpha(mask)
    case("rgb8.png", encoded(im, "PNG"))
    case("rgba8.png", encoded(rgba, "PNG"))
    case("grey_alpha8.png", encoded(la, "PNG"))
    case("grey8.png", encoded(im.convert("L"), "PNG"))
    case("grey1.png", encoded(im.convert("1"), "PNG"))
    palette = im.quantize(200)
    case("palette8.png", encoded(palette, "PNG"))
    case("palette_transparent.png", encoded(palette, "PNG", transparency=bytes(range(0, 200))))
    case("palette4.png", encoded(im.quantize(13), "PNG", bits=4))
    case("rgb_transparent_colour.png", encoded(im, "PNG", transparency=tuple(int(v) for v in a[3, 4])))
    case("exif_6.png", encoded(im, "PNG", exif=exif_block(6)[6:]))

    grey = np.asarray(im.convert("L"))
    for bits in (2, 4):
        v = grey >> (8 - bits)
        per = 8 // bits
        rows = []
        for row in v:
            row = np.pad(row, (0, -len(row) % per)).reshape(-1, per)
            rows.append(bytes(int(sum(int(s) << (8 - bits * (i + 1)) for i, s in enumerate(g))) for g in row))
        case(f"grey{bits}.png", png(37, 29, bits, 0, rows))

    deep = (a.astype(np.uint32) * 257 - 77).clip(0, 65535).astype(">u2")
    case("rgb16.png", png(37, 29, 16, 2, [r.tobytes() for r in deep]))
    with_alpha = np.concatenate([deep, np.full((29, 37, 1), 1234, ">u2")], -1)
    case("rgba16.png", png(37, 29, 16, 6, [r.astype(">u2").tobytes() for r in with_alpha]))
    # Pillow clips 16-bit grey at 255; we keep the high byte.
    g16 = deep[..., 1]
    case("grey16.png", png(37, 29, 16, 0, [r.tobytes() for r in g16]),
         want=Image.fromarray((g16 >> 8).astype(np.uint8)).convert("RGB"))

    rows = []  # Adam7
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        rows += [r.tobytes() for r in a[y0::dy, x0::dx]]
    case("interlaced.png", png(37, 29, 8, 2, rows, interlace=1))


def others():
    im = photo(37, 29)
    case("still.gif", encoded(im.quantize(128), "GIF"))
    second = ImageOps.mirror(im).quantize(128)
    case("animated.gif", encoded(im.quantize(128), "GIF", save_all=True, append_images=[second], duration=100))
    case("transparent.gif", encoded(im.quantize(60), "GIF", transparency=5))
    gif = bytearray(encoded(im.quantize(128), "GIF", optimize=False))
    gif[6:10] = struct.pack("<HH", 50, 40)  # the canvas is larger than the frame, which stands at (5, 3)
    at = gif.index(b"\x2c\0\0\0\0\x25\0\x1d\0")
    gif[at + 1:at + 5] = struct.pack("<HH", 5, 3)
    case("small_frame.gif", bytes(gif))

    rgba = im.copy()
    rgba.putalpha(Image.fromarray((np.mgrid[0:29, 0:37][0] * 8).astype(np.uint8)))
    case("lossy.webp", encoded(im, "WEBP", quality=80))
    case("lossy_even.webp", encoded(photo(64, 48), "WEBP", quality=60))
    case("lossy_alpha.webp", encoded(rgba, "WEBP", quality=80))
    case("lossless.webp", encoded(im, "WEBP", lossless=True))
    case("lossless_alpha.webp", encoded(rgba, "WEBP", lossless=True, exact=True))
    case("exif_8.webp", encoded(im, "WEBP", quality=80, exif=exif_block(8)))
    case("animated.webp", encoded(im, "WEBP", quality=80, save_all=True, append_images=[ImageOps.mirror(im)], duration=100))

    case("rgb24.bmp", encoded(im, "BMP"))
    case("palette8.bmp", encoded(im.quantize(100), "BMP"))
    case("mono1.bmp", encoded(im.convert("1"), "BMP"))
    case("bgra32.bmp", encoded(rgba, "BMP"))


def preprocess(source, width, height, crop_pct, mode, interpolation):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    make = lambda **kw: create_transform((3, height, width), is_training=False, interpolation=interpolation, crop_pct=crop_pct,
                                         crop_mode=mode, mean=mean, std=std, **kw)
    im = as_pillow_sees((HERE / source).read_bytes())
    pixels = np.asarray(make(use_prefetcher=True)(im))
    assert pixels.dtype == np.uint8 and pixels.shape == (3, height, width)
    name = f"{Path(source).stem}_{width}x{height}_{crop_pct}_{mode}_{interpolation}"
    Image.fromarray(pixels.transpose(1, 2, 0)).save(HERE / "preprocessed" / (name + ".png"), optimize=True)
    preprocess_cases.append({"name": name, "source": source, "width": width, "height": height, "crop_pct": crop_pct,
                             "crop_mode": mode, "interpolation": interpolation})
    return make()(im)


def pipelines():
    for name, w, h in [("landscape", 211, 140), ("portrait", 97, 183), ("tiny", 9, 14), ("ribbon", 230, 17)]:
        photo(w, h).save(HERE / (name + ".png"), optimize=True)
    photo(32, 32).save(HERE / "cifar.png", optimize=True)
    for interpolation in ("bilinear", "bicubic"):
        for source in ("landscape.png", "portrait.png", "tiny.png", "ribbon.png"):
            for pct in (0.875, 0.95, 1.0):
                preprocess(source, 56, 56, pct, "center", interpolation)
        preprocess("cifar.png", 32, 32, 1.0, "center", interpolation)
        preprocess("cifar.png", 32, 32, 0.875, "center", interpolation)
        preprocess("landscape.png", 64, 40, 0.9, "center", interpolation)
        preprocess("portrait.png", 40, 65, 0.875, "center", interpolation)
        for mode in ("squash", "border"):
            preprocess("landscape.png", 56, 56, 0.9, mode, interpolation)
            preprocess("portrait.png", 47, 61, 1.0, mode, interpolation)
            preprocess("tiny.png", 48, 48, 1.0, mode, interpolation)
    # One case at full size from JPEG bytes to the network's floats: every stage in one.
    (HERE / "photo.jpg").write_bytes(encoded(photo(320, 241, noise=3), "JPEG", quality=85))
    preprocess("photo.jpg", 224, 224, 0.875, "center", "bilinear")
    # The floats of a small one: what Normalize must produce.
    floats = preprocess("cifar.png", 32, 32, 1.0, "border", "bilinear")
    (HERE / "cifar_normalized.f32").write_bytes(floats.numpy().astype("<f4").tobytes())


def photos(folder):
    """One line a picture: the hash of its pixels, the hash of its evaluation crop, its name."""
    transform = create_transform((3, 224, 224), is_training=False, use_prefetcher=True, interpolation="bilinear", crop_pct=0.875)
    with open(folder / "pillow.sha256", "w") as out:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"):
                continue
            im = as_pillow_sees(path.read_bytes())
            crop = np.asarray(transform(im)).transpose(1, 2, 0)
            digests = [hashlib.sha256(a.tobytes()).hexdigest() for a in (np.asarray(im), np.ascontiguousarray(crop))]
            out.write(f"{digests[0]} {digests[1]} {path.relative_to(folder).as_posix()}\n")


def main():
    if len(sys.argv) > 1:
        return photos(Path(sys.argv[1]))
    for folder in ("decoded", "preprocessed"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
    jpegs()
    pngs()
    others()
    pipelines()
    versions = {"python": platform.python_version(), "pillow": Image.__version__, "libjpeg_turbo": features.version("libjpeg_turbo"),
                "libwebp": features.version("webp"), "numpy": np.__version__, "torch": torch.__version__.split("+")[0],
                "torchvision": torchvision.__version__.split("+")[0], "timm": timm.__version__}
    text = json.dumps({"made_by": versions, "decode": decode_cases, "preprocess": preprocess_cases}, indent=1)
    (HERE / "goldens.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
