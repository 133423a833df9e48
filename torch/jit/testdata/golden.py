"""Writes module.pt, a TorchScript module with a method for each kind of value, with PyTorch 2.11."""
import pathlib
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor


class Pair(NamedTuple):
    name: str
    value: Tensor


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.dropout = torch.nn.Dropout(1.0)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
            self.linear.bias.copy_(torch.tensor([0.5, -0.5]))

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.linear(x))

    @torch.jit.export
    def both(self, x: Tensor, y: Tensor) -> Tuple[Tensor, Tensor]:
        return x + y, x - y

    @torch.jit.export
    def scale(self, x: Tensor, factor: float = 2.0, negate: bool = False) -> Tensor:
        return -x * factor if negate else x * factor

    @torch.jit.export
    def integer(self, n: int) -> int:
        return n + 1

    @torch.jit.export
    def number(self, x: float) -> float:
        return x / 2

    @torch.jit.export
    def truth(self, b: bool) -> bool:
        return not b

    @torch.jit.export
    def text(self, s: str) -> str:
        return s + s

    @torch.jit.export
    def integers(self, n: List[int]) -> List[int]:
        return [x * x for x in n]

    @torch.jit.export
    def numbers(self, n: List[float]) -> List[float]:
        return [x / 2 for x in n]

    @torch.jit.export
    def truths(self, n: List[bool]) -> List[bool]:
        return [not x for x in n]

    @torch.jit.export
    def texts(self, n: List[str]) -> List[str]:
        return [x.upper() for x in n]

    @torch.jit.export
    def tensors(self, n: List[Tensor]) -> List[Tensor]:
        return [x + 1 for x in n]

    @torch.jit.export
    def nested(self, n: List[List[int]]) -> List[List[int]]:
        return n + n

    @torch.jit.export
    def dictionary(self, d: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {k + "!": v * 2 for k, v in d.items()}

    @torch.jit.export
    def counts(self, d: Dict[int, int]) -> Dict[int, int]:
        return {k: v + 1 for k, v in d.items()}

    @torch.jit.export
    def maybe(self, x: Optional[Tensor]) -> Optional[Tensor]:
        return None if x is None else x + 1

    @torch.jit.export
    def shape(self, size: Tuple[int, float, str]) -> Tuple[str, float, int]:
        return size[2], size[1], size[0]

    @torch.jit.export
    def pair(self, x: Tensor) -> Pair:
        return Pair("x", x)

    @torch.jit.export
    def anything(self, x: Any) -> Any:
        return x

    @torch.jit.export
    def where(self, device: torch.device) -> Tensor:
        return torch.zeros(1, device=device)

    @torch.jit.export
    def count(self) -> int:
        self.calls += 1
        return int(self.calls.item())

    @torch.jit.export
    def fail(self, x: Tensor) -> Tensor:
        if x.numel() >= 0:
            raise ValueError("this one always fails")
        return x

    @torch.jit.export
    def stream(self) -> torch.device:
        return self.linear.weight.device


here = pathlib.Path(__file__).parent
torch.jit.script(Model().eval()).save(str(here / "module.pt"))
