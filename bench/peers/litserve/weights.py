"""Makes a model folder: ResNet18 for 1000 classes with random weights.

    weights.py PHOTOS FOLDER

Both servers of the comparison load this folder. How fast a network is does not depend on what it has learned, but an untrained
one says the same of every photo, and then nobody would notice if a server answered nonsense. So the normalisations are set by
what the photos give, and the last layer takes the features apart: each photo has a class of its own, by a clear margin.
"""

import json
import pathlib
import sys

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import v2

CLASSES, SIDE, SHARPNESS = 1000, 224, 0.25
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photos(folder):
    prepare = v2.Compose([v2.Resize(256), v2.CenterCrop(SIDE), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    names = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    return torch.stack([prepare(Image.open(p).convert("RGB")) for p in names[:128]])


def main(folder, out):
    torch.manual_seed(1)
    net = torchvision.models.resnet18(num_classes=CLASSES)
    images = photos(folder)
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.momentum = None  # the mean of all that is seen
        if isinstance(m, torchvision.models.resnet.BasicBlock):
            torch.nn.init.constant_(m.bn2.weight, 0.2)  # or the layers would blow up what two decoders differ in
    with torch.inference_mode():
        net.train()
        for part in images.split(32):
            net(part)
        net.eval()
        last, net.fc = net.fc, torch.nn.Identity()
        features = torch.cat([net(part) for part in images.split(32)])
        net.fc = last
        mean, std = features.mean(0), features.std(0) + 1e-3
        last.weight.copy_(torch.randn_like(last.weight) / std * SHARPNESS)
        last.bias.copy_(-last.weight @ mean)

    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    state = {k: v.clone().contiguous() for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(state, out / "model.safetensors")
    config = {
        "architecture": "resnet18",
        "num_classes": CLASSES,
        "label_names": [f"class {i}" for i in range(CLASSES)],
        "pretrained_cfg": {"input_size": [3, SIDE, SIDE], "mean": MEAN, "std": STD, "interpolation": "bilinear", "crop_pct": 0.875},
    }
    (out / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main(*sys.argv[1:])
