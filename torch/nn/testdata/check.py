"""Loads a state dict that Go wrote, strictly, and checks that the module still computes
what PyTorch computed with it.

    python check.py net.safetensors net.pt
"""
import sys

import torch
from safetensors.torch import load_file

from golden import HERE, Net

goldens = load_file(HERE / "modules.safetensors")
for state in load_file(sys.argv[1]), torch.load(sys.argv[2]):
    model = Net()
    model.load_state_dict(state, strict=True)
    model.eval()
    # Not to the bit: on an Intel Xeon PyTorch's own answer is 3e-8 from the golden, which was made on another day and perhaps
    # another processor.
    torch.testing.assert_close(model(goldens["net/in/0"]), goldens["net/out/0"], rtol=1e-6, atol=1e-7)
print("loaded", len(state), "tensors")
