"""Loads model folders that this package wrote with timm.

    go test -tags interop -run Interop ./modeldir

writes the folders and runs this with their parent DIR.

DIR/imagenet must load with create_model. DIR/cifar must stop there as its note
in config.json says, and load in the way that the note gives.
"""
import json
import pathlib
import sys

import safetensors.torch
import timm
import torch

folder = pathlib.Path(sys.argv[1])
model = timm.create_model(f"local-dir:{folder}/imagenet", pretrained=True)
assert model.fc.weight.shape == (10, 512) and model.fc.weight.eq(0.5).all()
data = timm.data.resolve_model_data_config(model)
assert data["input_size"] == [3, 64, 64] and data["interpolation"] == "bilinear" and data["crop_pct"] == 1.0, data
assert model.pretrained_cfg["label_names"][3] == "cat"

note = json.loads((folder / "cifar" / "config.json").read_text())["pretrained_cfg"]["notes"][0]
assert "size mismatch for conv1.weight" in note
try:
    timm.create_model(f"local-dir:{folder}/cifar", pretrained=True)
    sys.exit("timm loaded the CIFAR stem; the note in config.json is wrong")
except RuntimeError as e:
    assert "size mismatch for conv1.weight" in str(e), e
model = timm.create_model("resnet18", pretrained=False, num_classes=10)
model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
model.maxpool = torch.nn.Identity()
model.load_state_dict(safetensors.torch.load_file(folder / "cifar" / "model.safetensors"))
assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
print("timm loads both")
