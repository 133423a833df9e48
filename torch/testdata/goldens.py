"""What operators.py is written in: makers of inputs, and the recording of a case."""
import math
import warnings
import zlib

import torch
from safetensors.torch import save_file

warnings.simplefilter("ignore")  # about kl_div's mean
SEED = 20
CASES = {}


def case(name, function, fixed=(), **inputs):
    """Adds a case; the inputs named in fixed get no gradient."""
    CASES.setdefault(name, []).append((function, fixed, inputs))


# Inputs: each is made by a function of the case's generator.

def N(*shape, dtype=torch.float32):  # normal
    return lambda g: torch.randn(shape, generator=g).to(dtype)


def U(low, high, *shape):  # uniform
    return lambda g: torch.rand(shape, generator=g) * (high - low) + low


def I(low, high, *shape, dtype=torch.int64):  # integers, high excluded
    return lambda g: torch.randint(low, high, shape, generator=g).to(dtype)


def B(*shape):  # Bool
    return lambda g: torch.rand(shape, generator=g) < 0.5


def V(values, dtype=torch.float32):  # these values
    return lambda g: torch.tensor(values, dtype=dtype)


def SPD(*shape):  # symmetric, positive definite, well conditioned
    def make(g):
        a = torch.randn(shape, generator=g)
        return a @ a.mT + shape[-1] * torch.eye(shape[-1])
    return make


def SQUARE(*shape):  # invertible, well conditioned
    return lambda g: torch.randn(shape, generator=g) + shape[-1] * torch.eye(shape[-1])


# Running them

def flat(result):
    if isinstance(result, torch.Tensor):
        return [torch.view_as_real(result) if result.is_complex() else result]
    if isinstance(result, bool):
        return [torch.tensor(result)]
    return [t for item in result for t in flat(item)]


def weights(t):
    """1/8, 2/8, ... 7/8, 1/8, ... in t's shape."""
    return ((torch.arange(t.numel(), dtype=torch.float64) % 7 + 1) / 8).reshape(t.shape)


def same(a, b):
    return torch.allclose(a.double(), b.double(), rtol=0, atol=0, equal_nan=True)


def gradients(function, fixed, inputs):
    """The gradient of each input that has one, by its name.

    NaN among the inputs becomes 1/4: the gradient there depends on which half of a
    kernel, the vectors or the rest, takes the element.
    """
    inputs = {k: v.double().nan_to_num(0.25, math.inf, -math.inf) if v.is_floating_point() else v for k, v in inputs.items()}
    leaves = {k: v.requires_grad_() for k, v in inputs.items() if v.is_floating_point() and k not in fixed}
    torch.manual_seed(SEED)
    try:
        outputs = [t for t in flat(function(*inputs.values())) if t.requires_grad]
        if not outputs:
            return {}
        loss = sum((t * weights(t)).sum() for t in outputs)
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    except RuntimeError as e:
        if "derivative for" not in str(e) and "not implemented" not in str(e):
            raise
        return {}
    return {k: g for k, g in zip(leaves, found) if g is not None}


def run(key, function, fixed, specs, tensors):
    g = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    inputs = {k: spec(g) for k, spec in specs.items()}
    working = {k: v.clone() for k, v in inputs.items()}
    torch.manual_seed(SEED)
    outputs = [t.detach().clone() for t in flat(function(*working.values()))]
    tensors.update({f"{key}.in.{k}": v.clone() for k, v in inputs.items()})
    tensors.update({f"{key}.out.{i}": t for i, t in enumerate(outputs)})
    tensors.update({f"{key}.after.{k}": v for k, v in working.items() if not same(v, inputs[k])})
    found = gradients(function, fixed, {k: v.clone() for k, v in inputs.items()})
    tensors.update({f"{key}.grad.{k}": v for k, v in found.items()})
    return bool(found)


def write(path):
    """Runs all cases and writes the file."""
    tensors, differentiable = {}, set()
    for name, cases in CASES.items():
        for i, (function, fixed, specs) in enumerate(cases):
            if run(f"{name}.{i}", function, fixed, specs, tensors):
                differentiable.add(name)
    save_file({k: v.clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}, path, {"torch": torch.__version__})
    print(f"{len(tensors)} tensors of {len(CASES)} functions; without a gradient:", *sorted(set(CASES) - differentiable))
