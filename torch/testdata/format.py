"""Writes format.pt, tensors of all sorts, and format.json, how PyTorch 2.11 prints them."""
import json
import math
import pathlib

import torch

here = pathlib.Path(__file__).parent
torch.manual_seed(0)
inf, nan = math.inf, math.nan
f = torch.tensor
cases = {
    "two": f([[1.0, 2.0], [3.0, 4.0]]),
    "fractions": f([[1.0, 2.5], [3.0, nan]]),
    "scalar": f(2.5),
    "whole scalar": f(-3.0),
    "integer scalar": f(7),
    "bool scalar": f(True),
    "nan": f(nan),
    "all nan": f([nan, inf, -inf]),
    "inf and whole": f([1.0, -inf, 100.0]),
    "inf and parts": f([1.5, -inf, 100.25, nan]),
    "zeros": torch.zeros(2, 3),
    "negative zero": f([-0.0, 0.0]),
    "negative zero and one": f([-0.0, 1.0]),
    "negative": f([[-1.0, 2.0], [3.5, -4.25]]),
    "large": f([1e9, 1.0]),
    "large whole": f([12345678.0, 1.0]),
    "hundred million": f([1e8, 1e8]),
    "above hundred million": f([100000008.0]),
    "small": f([1e-5, 1.0]),
    "small alone": f([0.00005]),
    "thousand": f([1000.0, 1.0]),
    "thousand and one": f([1001.0, 1.0]),
    "ratio": f([0.1, 200.0]),
    "science with zero": f([0.0, 1e-10, -1e10, nan, inf]),
    "max float": f([3.4028234663852886e38]),
    "denormal": f([1e-45]),
    "thirds": torch.arange(12.0).reshape(3, 4) / 3,
    "double": f([1.0, 2.5], dtype=torch.float64),
    "double science": f([1e300, -1e-300], dtype=torch.float64),
    "half": f([1.0, 2.5, 65504.0]).half(),
    "bfloat16": f([1.0, 2.5, 3.14159]).bfloat16(),
    "float8": f([1.0, 2.5, 3.14159]).to(torch.float8_e4m3fn),
    "uint8": f([1, 255], dtype=torch.uint8),
    "int8": f([[1, -128]], dtype=torch.int8),
    "int16": f([1, -1], dtype=torch.int16),
    "int32": f([[10, -1], [5, 1000]], dtype=torch.int32),
    "int64": f([[10, -1], [5, 1000]]),
    "int64 large": f([2**63 - 1, -(2**63)]),
    "uint16": f([1, 65535], dtype=torch.uint16),
    "uint32": f([1, 2**32 - 1], dtype=torch.uint32),
    "uint64": f([1, 2**63 - 1], dtype=torch.uint64),
    "bool": f([[True, False], [False, False]]),
    "all true": f([True, True]),
    "empty": torch.zeros(0),
    "empty matrix": torch.zeros(0, 3),
    "empty integers": torch.zeros(0, dtype=torch.int64),
    "empty bools": torch.zeros(2, 0, dtype=torch.bool),
    "long line": torch.arange(40),
    "long line of fractions": torch.arange(30.0) / 7,
    "long lines": torch.arange(60.0).reshape(2, 30) * 1.5,
    "three dimensions": torch.arange(24).reshape(2, 3, 4),
    "four dimensions": torch.arange(16.0).reshape(2, 2, 2, 2) / 3,
    "one by one": f([[[1.0]]]),
    "suffix at the end": torch.ones(18, dtype=torch.float64),
    "suffix on its own line": torch.ones(22, dtype=torch.float64),
    "transposed": torch.arange(6.0).reshape(2, 3).t(),
    "threshold": torch.arange(1000),
    "summary": torch.arange(1001),
    "summary of fractions": torch.arange(1200.0) / 7,
    "summary of a matrix": torch.arange(2500.0).reshape(50, 50),
    "summary of random numbers": torch.randn(40, 40),
    "summary of rows": torch.arange(3000).reshape(1000, 3),
    "summary of columns": torch.arange(3000.0).reshape(3, 1000) / 9,
    "summary of three dimensions": torch.arange(1331).reshape(11, 11, 11),
    "summary of six and seven": torch.arange(6 * 7 * 30).reshape(6, 7, 30),
    "summary of bools": torch.arange(1500) % 3 == 0,
    "summary of bytes": (torch.arange(1500) % 256).to(torch.uint8),
    "summary hides the large": torch.cat([torch.ones(500), torch.full((500,), 1e20), torch.ones(500)]),
    "summary transposed": torch.arange(1200).reshape(30, 40).t(),
    "summary of many": torch.zeros(1).expand(100000, 100),
    "complex": f([1 + 2j, -3.5 - 4j]),
    "complex whole": f([[1 + 2j, 10 - 4j]]),
    "complex scalar": f(1j),
    "complex science": f([1e10 + 1j, 1 + 1e-10j]),
    "complex nan": f([complex(nan, inf), complex(-inf, nan), 1 + 1j]),
    "complex double": f([1 + 2j], dtype=torch.complex128),
    "complex half": f([1 + 2.5j]).to(torch.complex32),
    "complex summary": torch.arange(1100).to(torch.complex64) * (1 + 0.5j),
    "gradient": torch.ones(2, requires_grad=True),
}
torch.save(cases, here / "format.pt")
texts = {name: str(t) for name, t in cases.items()}

# What no file can hold: tensors with a history. torch/format_test.go makes them too.
w = torch.ones(2, 2, requires_grad=True)
texts["history: add"] = str(w + w)
texts["history: sum"] = str((w + w).sum())
texts["history: slice"] = str((w * 1.5)[0])
texts["history: leaf view"] = str(w.detach())
long = torch.ones(1, 18, requires_grad=True)
texts["history: long"] = str(long * 1.25)
(here / "format.json").write_text(json.dumps(texts, indent=1) + "\n")
