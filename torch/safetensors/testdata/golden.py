"""Makes the golden files of this folder with the reference implementation.

    pip install safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.6.0
    python golden.py

all_dtypes.safetensors  one small tensor of every dtype, with metadata; names
                        and shapes that need care (scalar, empty, quotes)
all_dtypes.json         the same tensors in plain JSON: what must be read
floats.safetensors      "x": float32 values around every rounding boundary;
                        "x.f16", "x.bf16": NumPy's and ml_dtypes' narrowing;
                        "y": float64, "y.f32": NumPy's narrowing
"""
import json
import pathlib

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
DTYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "I16": np.int16, "U16": np.uint16,
    "I32": np.int32, "U32": np.uint32, "I64": np.int64, "U64": np.uint64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64,
}


def all_dtypes():
    tensors = {f"t.{name.lower()}": np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype) for name, dtype in DTYPES.items()}
    tensors["scalar"] = np.array(7, np.int64)
    tensors["empty"] = np.zeros((0, 3), np.float32)
    tensors['odd "name" <é>\n'] = np.array([1.5], np.float32)
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    save_file(tensors, HERE / "all_dtypes.safetensors", metadata={"format": "pt"})
    want = {
        name: {"dtype": names[t.dtype], "shape": list(t.shape), "hex": t.tobytes().hex()}
        for name, t in tensors.items()
    }
    (HERE / "all_dtypes.json").write_text(json.dumps(want, indent=1, sort_keys=True) + "\n")


def around(values):
    """The values, and the float32 numbers next to them on both sides."""
    v = values.astype(np.float32)
    v = np.concatenate([v, np.nextafter(v, np.float32(np.inf)), np.nextafter(v, np.float32(-np.inf))])
    return np.concatenate([v, -v])


def floats():
    rng = np.random.default_rng(1)
    half = rng.integers(0, 0x7C00, 120, dtype=np.uint16)
    half = np.concatenate([half, np.array([0, 1, 2, 0x3FF, 0x400, 0x401, 0x7BFE, 0x7BFF], np.uint16)])
    exact = half.view(np.float16).astype(np.float64)
    middle = (exact + np.minimum(half + 1, 0x7BFF).astype(np.uint16).view(np.float16).astype(np.float64)) / 2
    bits = rng.integers(0, 1 << 32, 256, dtype=np.uint64).astype(np.uint32).view(np.float32)
    brain = (rng.integers(0, 0x7F80, 64, dtype=np.uint32) << 16)
    special = np.array([65504, 65519.996, 65520, 65536, 1e38, 3.4e38, 3.4028235e38, np.inf, np.nan, 1e-45], np.float32)
    x = np.concatenate([around(exact), around(middle), bits, around((brain | 0x8000).view(np.float32)), special])
    y = np.concatenate([x[:200].astype(np.float64) * (1 + 2.0**-24), [1e300, 1e-300, np.inf, -0.0]])
    with np.errstate(over="ignore"):
        save_file(
            {"x": x, "x.f16": x.astype(np.float16), "x.bf16": x.astype(ml_dtypes.bfloat16), "y": y, "y.f32": y.astype(np.float32)},
            HERE / "floats.safetensors",
        )


all_dtypes()
floats()
