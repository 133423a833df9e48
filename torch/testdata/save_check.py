"""Reads with PyTorch, in its default settings, what torch/save_interop_test.go wrote."""
import collections
import pathlib
import sys

import torch

here = pathlib.Path(sys.argv[1])
expect = {
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "empty": torch.zeros(0, 3),
    "transposed": torch.arange(6.0).reshape(2, 3).t(),
    "long": torch.tensor([-1, 1 << 40]),
    "bool": torch.tensor([False, True, True]),
    "half": torch.arange(6.0).reshape(2, 3).half(),
    "bfloat16": torch.arange(6.0).reshape(2, 3).bfloat16(),
    "complex": torch.tensor([1 + 0j, 2 + 0j]),
    "uint16": torch.tensor([1, 65535], dtype=torch.uint16),
}


def same(want, got):
    assert want.dtype == got.dtype and want.shape == got.shape, (want, got)
    assert torch.equal(want, got), (want, got)


for name, want in expect.items():
    same(want, torch.load(here / f"{name}.pt"))
grad = torch.load(here / "grad.pt")
assert grad.requires_grad and grad.is_leaf

state = torch.load(here / "dict.pt")
assert isinstance(state, collections.OrderedDict) and sorted(state) == sorted(expect)
for name, want in expect.items():
    same(want, state[name])

net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
net.load_state_dict(torch.load(here / "net.pt"))
same(torch.arange(6.0).reshape(2, 3), net[0].weight.data)

module = torch.jit.load(str(here / "module.pt"))
same(torch.tensor([3.5, 6.5]), module(torch.ones(2)))
print("all read by PyTorch", torch.__version__)
