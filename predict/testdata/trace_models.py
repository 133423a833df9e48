"""Makes model folders of networks that Torchlit has no description of, as their users export them, and their logits.

usage: trace_models.py FOLDER IMAGES

IMAGES is a file of raw 8-bit RGB images of 64×64. FOLDER gets one model folder for each network, and logits.json.
"""

import json
import pathlib
import sys

import numpy as np
import timm
import torch
import torchvision

SIZE, CLASSES = 64, 7
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def networks():
    yield "mobilenet_v3_small", torchvision.models.mobilenet_v3_small(num_classes=CLASSES), torch.jit.script
    yield "shufflenet_v2", torchvision.models.shufflenet_v2_x0_5(num_classes=CLASSES), torch.jit.trace
    yield "efficientnet_b0", timm.create_model("efficientnet_b0", num_classes=CLASSES), torch.jit.trace
    yield "vit_tiny", timm.create_model("vit_tiny_patch16_224", img_size=SIZE, num_classes=CLASSES), torch.jit.trace
    yield "frozen_resnet18", torchvision.models.resnet18(num_classes=CLASSES), lambda m, x: torch.jit.freeze(torch.jit.trace(m, x))


def main():
    root, images = pathlib.Path(sys.argv[1]), np.fromfile(sys.argv[2], np.uint8).reshape(-1, SIZE, SIZE, 3)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.manual_seed(0)
    logits = {}
    for name, net, export in networks():
        net.eval()
        module = export(net) if export is torch.jit.script else export(net, x[:1])
        (root / name).mkdir()
        torch.jit.save(module, root / name / "model.pt")
        config = {"num_classes": CLASSES, "label_names": [f"class {c}" for c in range(CLASSES)],
                  "pretrained_cfg": {"input_size": [3, SIZE, SIZE], "mean": MEAN, "std": STD}}
        (root / name / "config.json").write_text(json.dumps(config))
        with torch.inference_mode():
            logits[name] = net(x).tolist()
    (root / "logits.json").write_text(json.dumps(logits))


if __name__ == "__main__":
    main()
