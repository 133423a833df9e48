"""Corrupts a picture as the public implementation of the benchmark does.

referee.py PICTURE FOLDER writes FOLDER/<name>_<severity>.png for what is not random, and prints
{"<name>_<severity>": [mean, standard deviation]} over several seeds for what is.
"""

import json
import sys
from io import BytesIO

import cv2
import numpy as np
from imagecorruptions import corrupt
from imagecorruptions.corruptions import disk, plasma_fractal
from PIL import Image
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian

# The package has the parameters of ImageNet-C. These are CIFAR-10-C's.
SMALL = {
    "gaussian_noise": [0.04, 0.06, 0.08, 0.09, 0.10],
    "gaussian_blur": [0.4, 0.6, 0.7, 0.8, 1],
    "defocus_blur": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    "brightness": [0.05, 0.1, 0.15, 0.2, 0.3],
    "jpeg_compression": [80, 65, 58, 50, 40],
    "pixelate": [0.95, 0.9, 0.85, 0.75, 0.65],
    "contrast": [0.75, 0.5, 0.4, 0.3, 0.15],
    "fog": [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
}
RANDOM, SEEDS = ["gaussian_noise", "fog"], 60


def small(name, severity, pixels):
    c, x, (h, w) = SMALL[name][severity - 1], pixels / 255, pixels.shape[:2]
    if name == "gaussian_noise":
        x = x + np.random.normal(size=x.shape, scale=c)
    elif name == "gaussian_blur":
        x = gaussian(x, sigma=c, channel_axis=-1)
    elif name == "defocus_blur":
        x = np.dstack([cv2.filter2D(x[:, :, i], -1, disk(*c)) for i in range(3)])
    elif name == "brightness":
        x = rgb2hsv(x)
        x[:, :, 2] = np.clip(x[:, :, 2] + c, 0, 1)
        x = hsv2rgb(x)
    elif name == "contrast":
        means = x.mean(axis=(0, 1), keepdims=True)
        x = (x - means) * c + means
    elif name == "fog":
        top = x.max()
        x = (x + c[0] * plasma_fractal(32, c[1])[:h, :w, None]) * top / (top + c[0])
    elif name == "jpeg_compression":
        file = BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=c)
        return np.array(Image.open(file))
    elif name == "pixelate":
        shrunk = Image.fromarray(pixels).resize((int(w * c), int(h * c)), Image.BOX)
        return np.array(shrunk.resize((w, h), Image.NEAREST))
    return np.uint8(np.clip(x, 0, 1) * 255)


def main(picture, folder):
    pixels, statistics = np.array(Image.open(picture).convert("RGB")), {}

    def one(name, severity):
        if min(pixels.shape[:2]) <= 64:
            return small(name, severity, pixels)
        return np.uint8(corrupt(pixels, severity=severity, corruption_name=name))

    for name in SMALL:
        for severity in range(1, 6):
            key = f"{name}_{severity}"
            if name not in RANDOM:
                Image.fromarray(one(name, severity)).save(f"{folder}/{key}.png")
                continue
            np.random.seed(severity)
            seen = [one(name, severity).astype(float) for _ in range(SEEDS)]
            statistics[key] = [np.mean([s.mean() for s in seen]), np.mean([s.std() for s in seen])]
    print(json.dumps(statistics))


main(*sys.argv[1:])
