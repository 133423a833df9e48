"""Makes adapt.json: first convolutions as timm adapts them to other channels.

    pip install timm==1.0.31 torch==2.11.0
    python golden.py
"""
import json
import pathlib

import torch
from timm.models import adapt_input_conv

torch.manual_seed(0)
cases = []
for base, channels in ((3, 1), (3, 2), (3, 4), (3, 7), (1, 3), (4, 3)):
    weight = torch.randn(2, base, 2, 2)
    want = adapt_input_conv(channels, weight, base)
    cases.append({
        "from": list(weight.shape), "to": list(want.shape),
        "weight": weight.flatten().tolist(), "want": want.flatten().tolist(),
    })
pathlib.Path(__file__).with_name("adapt.json").write_text(json.dumps(cases) + "\n")
