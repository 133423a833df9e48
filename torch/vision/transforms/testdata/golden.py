"""Writes golden.json: what OpenCV, Pillow and torchvision make of two small pictures.

    pip install opencv-python-headless==4.11.0.86 pillow==13.0.0 torchvision==0.26.0
    python golden.py
"""

import base64
import json
import pathlib

import cv2
import numpy as np
import PIL
import PIL.Image
import torch
import torchvision
from torchvision.transforms import functional as F

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def picture(pixels):
    height, width = pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "pix": base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode(),
    }


def resized(pixels, flags, sizes):
    return [picture(cv2.resize(pixels, size, interpolation=flags)) for size in sizes]


rng = np.random.default_rng(7)
odd = rng.integers(0, 256, (9, 13, 3), dtype=np.uint8)
even = rng.integers(0, 256, (10, 16, 3), dtype=np.uint8)
sizes = [(5, 4), (26, 18), (40, 31), (7, 20), (13, 4), (1, 1), (2, 9)]

gray = PIL.Image.fromarray(odd).convert("L")
tensor = F.to_tensor(odd)
golden = {
    "made with": f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, "
    f"torch {torch.__version__}, torchvision {torchvision.__version__}",
    "odd": picture(odd),
    "even": picture(even),
    "odd linear": resized(odd, cv2.INTER_LINEAR, sizes),
    "odd nearest": resized(odd, cv2.INTER_NEAREST, sizes),
    "even linear": resized(even, cv2.INTER_LINEAR, [(8, 5), (8, 6), (32, 20)]),
    "odd flip 0": picture(cv2.flip(odd, 0)),
    "odd flip 1": picture(cv2.flip(odd, 1)),
    "odd center 4 x 7": picture(odd[2:6, 3:10]),
    "odd gray": picture(np.repeat(np.asarray(gray)[:, :, None], 3, axis=2)),
    "mean": MEAN,
    "std": STD,
    "odd tensor": tensor.flatten().tolist(),
    "odd normalized": F.normalize(tensor, MEAN, STD).flatten().tolist(),
    "odd gray normalized": F.normalize(F.to_tensor(gray), [0.1307], [0.3081]).flatten().tolist(),
}
path = pathlib.Path(__file__).with_name("golden.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
