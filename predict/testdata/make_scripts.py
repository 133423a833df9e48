"""Makes scripts/*.pt and scripts/goldens.json: small TorchScript classifiers of the kinds that people export.

    pip install torch==2.11.0 numpy==2.4.6 && python make_scripts.py

The images are those of make_goldens.py. Goldens are what PyTorch computes with the module before it is scripted: the
logits of four classes for three images of 8×8.
"""

import json
import pathlib

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).with_name("scripts")
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def fnv1a(name: str) -> int:
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 % 2**64
    return h


def image(name: str, size: int) -> torch.Tensor:
    with np.errstate(over="ignore"):
        x = np.uint64(fnv1a(name)) + np.arange(size * size * 3, dtype=np.uint64)
        x += np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        x = x ^ x >> np.uint64(31)
    pixels = torch.from_numpy((x & np.uint64(255)).astype(np.uint8).reshape(size, size, 3))
    return (pixels.permute(2, 0, 1).float() / 255 - MEAN) / STD


class Plain(torch.nn.Module):
    """A convolution, a pool and a classifier."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 5, 3, padding=1)
        self.fc = torch.nn.Linear(5, 4)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x)).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x))


class Bright(Plain):
    """Raises when a whole image of the batch is bright: control flow that only scripting keeps."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(x.size(0)):
            if bool(x[i].mean() > 1.5):
                raise ValueError("too bright")
        return self.fc(self.features(x))


class Single(Plain):
    """Takes one image at a time, as a trace with a reshape to fixed sizes does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).view(5)).unsqueeze(0)


class Tuple(Plain):
    def forward(self, x: torch.Tensor):
        f = self.features(x)
        return self.fc(f), f


class Dictionary(Plain):
    def forward(self, x: torch.Tensor):
        f = self.features(x)
        return {"aux": f, "logits": self.fc(f)}


class Probabilities(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.fc(self.features(x)), 1)


class Features(Plain):
    """Returns what is no answer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(0)
    weights = Plain().state_dict()
    x = torch.stack([image(f"image{i}", 8) for i in range(3)])
    plain = Plain()
    plain.load_state_dict(weights)
    with torch.inference_mode():
        logits = plain(x)
    for kind in (Plain, Bright, Single, Tuple, Dictionary, Probabilities, Features):
        module = kind()
        module.load_state_dict(weights)
        torch.jit.script(module.eval()).save(FOLDER / f"{kind.__name__.lower()}.pt")
    torch.jit.script(plain.bfloat16().eval()).save(FOLDER / "bfloat16.pt")
    golden = {"torch": torch.__version__.split("+")[0], "logits": logits.tolist()}
    (FOLDER / "goldens.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
