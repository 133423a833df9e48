"""Saves networks with timm and torchvision, and what they answer; and the default tags
of architectures.

    python answers.py DIR ARCHITECTURE...
"""
import json
import pathlib
import sys

import safetensors.torch
import timm
import torch
import torchvision

root = pathlib.Path(sys.argv[1])
torch.manual_seed(0)


def train(model):
    """Stands in for a training: statistics and weights that are not those of a fresh network."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1)
            torch.nn.init.uniform_(module.weight, 0.2, 0.5)
    return model.eval()


images = torch.randn(2, 3, 65, 65)
with torch.inference_mode():
    for name in ("resnet18", "resnet18d", "resnext50_32x4d"):
        model = train(timm.create_model(name))
        timm.models.save_for_hf(model, root / name, safe_serialization=True)
        again = timm.create_model(f"local-dir:{root / name}", pretrained=True, num_classes=7).eval()
        features = again.forward_head(again.forward_features(images), pre_logits=True)
        answers = {"images": images, "logits": model(images), "features": features}
        safetensors.torch.save_file(answers, root / f"{name}.answers.safetensors")
    model = train(torchvision.models.resnet18())
    torch.save(model.state_dict(), root / "torchvision.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file({"images": images, "logits": model(images)}, root / "torchvision.answers.safetensors")
tags = {name: timm.get_pretrained_cfg(name).tag for name in sys.argv[2:]}
(root / "tags.json").write_text(json.dumps(tags))
print("timm", timm.__version__, "torchvision", torchvision.__version__)
