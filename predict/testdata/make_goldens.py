"""Makes goldens.json: logits of ResNets with seeded weights, by timm's networks.

    pip install torch==2.11.0 timm==1.0.31 numpy==2.4.6 && python make_goldens.py

Weights and images are functions of their names (weights_test.go has the same
functions), so only the logits are kept. The networks are in evaluation mode:
BatchNorm is not folded, nothing is fused, the memory format is PyTorch's
default. Logits are computed in float32, as a user of PyTorch gets them.
"""

import json
import math
import pathlib

import numpy as np
import timm
import torch

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
IMAGES = 3
CLASSES = 10


def fnv1a(name: str) -> int:
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 % 2**64
    return h


def mixed(name: str, n: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        x = np.uint64(fnv1a(name)) + np.arange(n, dtype=np.uint64)
        x += np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return x ^ x >> np.uint64(31)


def weight(name: str, *shape: int) -> torch.Tensor:
    lo, hi = -0.2, 0.2
    if len(shape) > 1:
        hi = math.sqrt(2 / math.prod(shape[1:]))
        lo = -hi
    elif name.endswith(("running_var", ".weight")):
        lo, hi = 0.5, 1.0
    u = (mixed(name, math.prod(shape)) >> np.uint64(11)).astype(np.float64) / 2**53
    return torch.from_numpy((lo + (hi - lo) * u).astype(np.float32)).view(shape)


def image(name: str, size: int) -> torch.Tensor:
    pixels = (mixed(name, size * size * 3) & np.uint64(255)).astype(np.uint8)
    x = torch.from_numpy(pixels.reshape(size, size, 3)).permute(2, 0, 1)
    return (x.float() / 255 - MEAN) / STD


def network(architecture: str, stem: str) -> torch.nn.Module:
    """timm's network in evaluation mode, with the surgery that the CIFAR stem is."""
    model = timm.create_model(architecture, num_classes=CLASSES)
    if stem == "cifar":
        model.maxpool = torch.nn.Identity()
        if isinstance(model.conv1, torch.nn.Sequential):
            model.conv1[0].stride = (1, 1)
        else:
            model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.load_state_dict({
        name: torch.tensor(1) if name.endswith("num_batches_tracked") else weight(name, *t.shape)
        for name, t in model.state_dict().items()
    })
    return model.eval()


def main():
    goldens = []
    for architecture, stem, size in [
        ("resnet18", "", 64),
        ("resnet18", "", 224),
        ("resnet18", "cifar", 32),
        ("resnet34", "cifar", 24),
        ("resnet50", "", 64),
        ("resnet50", "", 97),
        ("resnet18d", "", 64),
        ("resnet18d", "", 97),
        ("resnet18d", "cifar", 24),
        ("resnet50d", "", 33),
        ("resnet50c", "", 64),
        ("resnet101", "cifar", 16),
        ("wide_resnet50_2", "", 64),
        ("resnext50_32x4d", "", 64),
        ("resnext50_32x4d", "cifar", 17),
    ]:
        x = torch.stack([image(f"image{i}", size) for i in range(IMAGES)])
        with torch.inference_mode():
            logits = network(architecture, stem)(x)
        goldens.append({"architecture": architecture, "stem": stem, "size": size, "logits": logits.tolist()})
    path = pathlib.Path(__file__).with_name("goldens.json")
    text = ",\n".join(" " + json.dumps(g) for g in goldens)
    path.write_text(f'{{"torch": "{torch.__version__.split("+")[0]}", "networks": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
