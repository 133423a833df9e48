"""Makes shapes.json with timm's own networks.

    pip install timm==1.0.31 torch==2.11.0 safetensors==0.8.0
    python golden.py

shapes.json has, for each architecture, the number of tensors, the SHA-256 of the
sorted lines "name d0,d1,…" of its state dict without the step counters, and for
three of them the lines themselves.
"""
import hashlib
import json
import pathlib

import timm
import torch

HERE = pathlib.Path(__file__).parent
NAMES = """
resnet18 resnet26 resnet34 resnet50 resnet101 resnet152 resnet200 resnet50c resnet101c resnet152c
resnet18d resnet26d resnet34d resnet50d resnet101d resnet152d resnet200d wide_resnet50_2 wide_resnet101_2
resnext50_32x4d resnext50d_32x4d resnext101_32x4d resnext101_32x8d resnext101_32x16d resnext101_64x4d
""".split()

shapes = {}
for name in NAMES:
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=1000)
    lines = sorted(
        f"{key} {','.join(map(str, t.shape))}"
        for key, t in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    )
    parameters = sum(p.numel() for p in model.parameters())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    shapes[name] = {"tensors": len(lines), "parameters": parameters, "sha256": digest}
    if name in ("resnet18d", "resnet26", "resnext50_32x4d"):
        shapes[name]["lines"] = lines
(HERE / "shapes.json").write_text(json.dumps(shapes, indent=0) + "\n")
