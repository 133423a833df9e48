"""Makes goldens.json: logits of ResNets with seeded weights, by plain PyTorch.

    pip install torch==2.11.0 numpy==2.3.5 && python make_goldens.py

Weights and images are functions of their names (weights_test.go has the same
functions), so only the logits are kept. The network is written out with
PyTorch's own layers in evaluation mode: BatchNorm is not folded, nothing is
fused, the memory format is PyTorch's default. Logits are computed in float32,
as a user of PyTorch gets them.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
LAYERS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
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


def conv_bn(x, conv, bn, out, kernel, stride):
    x = F.conv2d(x, weight(conv + ".weight", out, x.shape[1], kernel, kernel), None, stride, kernel // 2)
    return F.batch_norm(
        x,
        weight(bn + ".running_mean", out),
        weight(bn + ".running_var", out),
        weight(bn + ".weight", out),
        weight(bn + ".bias", out),
    )


def block(x, name, width, stride, bottleneck):
    out = width * 4 if bottleneck else width
    identity = x
    if stride != 1 or x.shape[1] != out:
        identity = conv_bn(x, name + ".downsample.0", name + ".downsample.1", out, 1, stride)
    if bottleneck:
        convs = [(width, 1, 1), (width, 3, stride), (out, 1, 1)]
    else:
        convs = [(width, 3, stride), (out, 3, 1)]
    for i, (channels, kernel, step) in enumerate(convs, 1):
        x = conv_bn(x, f"{name}.conv{i}", f"{name}.bn{i}", channels, kernel, step)
        x = F.relu(x if i < len(convs) else x + identity)
    return x


def resnet(x, architecture, stem):
    if stem == "cifar":
        x = F.relu(conv_bn(x, "conv1", "bn1", 64, 3, 1))
    else:
        x = F.max_pool2d(F.relu(conv_bn(x, "conv1", "bn1", 64, 7, 2)), 3, 2, 1)
    for stage, n in enumerate(LAYERS[architecture]):
        for i in range(n):
            stride = 2 if stage > 0 and i == 0 else 1
            x = block(x, f"layer{stage + 1}.{i}", 64 << stage, stride, architecture == "resnet50")
    x = x.mean((2, 3))
    return F.linear(x, weight("fc.weight", CLASSES, x.shape[1]), weight("fc.bias", CLASSES))


def main():
    goldens = []
    for architecture, stem, size in [
        ("resnet18", "", 64),
        ("resnet18", "", 224),
        ("resnet18", "cifar", 32),
        ("resnet34", "cifar", 24),
        ("resnet50", "", 64),
        ("resnet50", "", 97),
    ]:
        x = torch.stack([image(f"image{i}", size) for i in range(IMAGES)])
        with torch.inference_mode():
            logits = resnet(x, architecture, stem)
        goldens.append({"architecture": architecture, "stem": stem, "size": size, "logits": logits.tolist()})
    path = pathlib.Path(__file__).with_name("goldens.json")
    text = ",\n".join(" " + json.dumps(g) for g in goldens)
    path.write_text(f'{{"torch": "{torch.__version__.split("+")[0]}", "networks": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
