"""Prints the hash of each file in hex, of the picture shrunk by a bicubic kernel and as imagehash shrinks it."""

import sys

import imagehash
from PIL import Image

for file in sys.argv[1:]:
    picture = Image.open(file).convert("RGB")
    print(imagehash.phash(picture.resize((32, 32), Image.BICUBIC)), imagehash.phash(picture))
