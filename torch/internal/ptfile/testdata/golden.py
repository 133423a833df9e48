"""Writes the .pt files beside it with PyTorch 2.11, and what is in them (want.json)."""
import collections
import io
import json
import pathlib
import warnings

import torch

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
torch.manual_seed(0)


def plain(t):
    data = t.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape),
            "requires_grad": t.requires_grad, "bytes": bytes(data.tolist()).hex()}


module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
ramp = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
shared = torch.arange(6, dtype=torch.int64)
files = {
    "float32": torch.tensor([[1.5, -2.0], [3.25, float("inf")]]),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "empty": torch.zeros(0, 3),
    "strided": ramp.transpose(0, 2)[1:, ::2],
    "expanded": torch.tensor([1, 2], dtype=torch.int16).expand(3, 2),
    "requires_grad": torch.ones(2, requires_grad=True),
    "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
    "state_dict": module.state_dict(),
    "shared": {"all": shared, "even": shared[::2], "row": shared[3:]},
    "dtypes": {str(d).removeprefix("torch."): torch.tensor([0, 1, 2, 3]).to(d) for d in [
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
        torch.float32, torch.float64, torch.complex32, torch.complex64, torch.complex128,
        torch.bool, torch.bfloat16, torch.float8_e5m2, torch.float8_e4m3fn, torch.uint16,
        torch.uint32, torch.uint64]},
}
want = {}
for name, value in files.items():
    torch.save(value, here / f"{name}.pt")
    tensors = value if isinstance(value, dict) else {"": value}
    want[name] = {k: plain(v) for k, v in tensors.items()}

# The format from before PyTorch 1.6.
for name in ("float32", "state_dict", "shared"):
    torch.save(files[name], here / f"legacy_{name}.pt", _use_new_zipfile_serialization=False)
    want[f"legacy_{name}"] = want[name]

# libtorch's own writer, which gotorch used.
(here / "libtorch.pt").write_bytes(torch._C._pickle_save({"a": torch.ones(2), "b": torch.zeros(1)}))
want["libtorch"] = {"a": plain(torch.ones(2)), "b": plain(torch.zeros(1))}

torch.serialization.set_crc32_options(False)
torch.save(torch.ones(2), here / "nocrc.pt")
torch.serialization.set_crc32_options(True)
want["nocrc"] = {"": plain(torch.ones(2))}
(here / "want.json").write_text(json.dumps(want, indent=1, sort_keys=True) + "\n")

# A checkpoint as training scripts make it, and what is refused.
optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
module(torch.ones(4, 3)).sum().backward()
optimizer.step()
torch.save({"model": collections.OrderedDict(w=torch.ones(1)), "optimizer": optimizer.state_dict(),
            "epoch": 3, "best": -0.5, "big": 1 << 40, "done": False, "none": None,
            "names": ["a", "b"], "size": torch.Size([2, 3])}, here / "checkpoint.pt")
torch.save(module, here / "refused_module.pt")
torch.save(torch.zeros(2, dtype=torch.complex64).conj(), here / "refused_conj.pt")
torch.save(torch.eye(2).to_sparse(), here / "refused_sparse.pt")
torch.save(torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), here / "refused_quantized.pt")
torch.jit.script(module).save(str(here / "refused_script.pt"))
