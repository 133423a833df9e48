"""Computes with timm what model folders answer.

    python timm_logits.py job.json

job.json lists folders with images in them. Each is loaded with timm, in two ways where
timm can express the network, and as the note in its config.json says where it cannot;
its logits are written into the list. A network of the same architecture is saved with
timm, pickled for every other one, and its logits are written beside.
"""
import json
import pathlib
import sys

import numpy as np
import timm
import torch

job = pathlib.Path(sys.argv[1])
networks = json.loads(job.read_text())
torch.manual_seed(0)


def logits(model, images):
    data = timm.data.resolve_model_data_config(model)
    mean, std = (torch.tensor(data[k]).view(3, 1, 1) for k in ("mean", "std"))
    with torch.inference_mode():
        return model.eval()((images - mean) / std)


def surgery(model):
    """What a CIFAR stem is."""
    model.maxpool = torch.nn.Identity()
    if isinstance(model.conv1, torch.nn.Sequential):
        model.conv1[0].stride = (1, 1)
    else:
        model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    return model


def load(folder, architecture, stem):
    path = folder / "model.safetensors"
    if stem == "cifar" and not architecture.endswith("d"):
        model = surgery(timm.create_model(architecture, pretrained=False, num_classes=10))
        timm.models.load_checkpoint(model, str(path), strict=True)
        return model
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return surgery(model) if stem == "cifar" else model


for number, n in enumerate(networks):
    folder, size = pathlib.Path(n["Folder"]), n["Size"]
    pixels = [np.fromfile(folder / f"image{i}.raw", np.uint8).reshape(size, size, 3) for i in range(n["Images"])]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    answer = logits(load(folder, n["Architecture"], n["Stem"]), images)
    n["Logits"] = answer.tolist()
    if n["Stem"] == "":
        overlay = dict(file=str(folder / "model.safetensors"), num_classes=10)
        model = timm.create_model(n["Architecture"], pretrained=True, num_classes=10, pretrained_cfg_overlay=overlay)
        assert torch.equal(logits(model, images), answer)

    model = timm.create_model(n["Architecture"], num_classes=10, zero_init_last=False)
    if n["Stem"] == "cifar":
        surgery(model)
    for module in model.modules():  # statistics that are not those of a fresh network
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1)
            torch.nn.init.uniform_(module.weight, 0.2, 0.5)
    model.pretrained_cfg["input_size"] = (3, size, size)
    timm.models.save_for_hf(model, n["Saved"], safe_serialization="both" if number % 2 else True)
    if number % 2:
        (pathlib.Path(n["Saved"]) / "model.safetensors").unlink()
    if n["Stem"] == "cifar" and n["Architecture"].endswith("d"):
        (pathlib.Path(n["Saved"]) / "torchlit.json").write_text('{"stem": "cifar"}')
    n["SavedLogits"] = logits(model, images).tolist()
job.write_text(json.dumps(networks))
print("timm", timm.__version__, "computed", len(networks), "networks")
