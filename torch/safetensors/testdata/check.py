"""Reads files that this package wrote with the reference implementation.

    go test -tags interop -run Interop ./torch/safetensors

The Go test writes the tensors of all_dtypes.json and the float32 values of
floats.safetensors, narrowed by Go, into DIR. Exits 1 and says what differs.
"""
import json
import pathlib
import sys

import ml_dtypes
import numpy as np
from safetensors import deserialize, safe_open

HERE = pathlib.Path(__file__).parent


def read(path):
    return {name: t for name, t in deserialize(path.read_bytes())}


def differences(folder):
    want = json.loads((HERE / "all_dtypes.json").read_text())
    got = read(folder / "all_dtypes.safetensors")
    if got.keys() != want.keys():
        yield f"names differ: {sorted(got.keys() ^ want.keys())}"
    for name in got.keys() & want.keys():
        g = {"dtype": got[name]["dtype"], "shape": list(got[name]["shape"]), "hex": bytes(got[name]["data"]).hex()}
        if g != want[name]:
            yield f"{name!r}: got {g}; want {want[name]}"
    with safe_open(folder / "all_dtypes.safetensors", framework="numpy") as f:
        if f.metadata() != {"format": "pt"}:
            yield f"metadata: got {f.metadata()}"

    want, got = read(HERE / "floats.safetensors"), read(folder / "floats.safetensors")
    for name, dtype in (("x.f16", np.float16), ("x.bf16", ml_dtypes.bfloat16), ("y.f32", np.float32)):
        w, g = (np.frombuffer(t[name]["data"], dtype) for t in (want, got))
        same = (w == g) & (np.signbit(w) == np.signbit(g)) | np.isnan(w) & np.isnan(g)
        for i in np.flatnonzero(~same)[:5]:
            yield f"{name}[{i}]: got {g[i]!r}; want {w[i]!r}"


found = list(differences(pathlib.Path(sys.argv[1])))
print("\n".join(found) or "equal")
sys.exit(bool(found))
