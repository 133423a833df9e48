"""Writes operators.safetensors: what PyTorch's operators return, and their gradients.

Run from this folder with PyTorch 2.11 and safetensors: python operators.py

A case is the name of a function of package torch, PyTorch's form of it, and its
input tensors by the names that golden_*_test.go call them. The Go tests hold the same
calls in the same order. For case i of function F the file holds

    F.i.in.a     the input a, drawn from a generator that F.i seeds
    F.i.out.0    the results; complex ones as view_as_real
    F.i.after.a  the input a afterwards, if the call has changed it
    F.i.grad.a   the gradient of a, in float64 throughout and with NaN in the
                 inputs replaced by 1/4, for the loss sum(out · weights) over all
                 results that have one

Before each call the default generator is seeded with SEED. Cases draw from
generators of their own, so another one changes none of the rest.
"""
import math

import torch
import torch.nn.functional as F

from goldens import B, I, N, SPD, SQUARE, U, V, case, write

NAN, INF = math.nan, math.inf
SPECIAL = V([NAN, INF, -INF, 0.0, -0.0, 1.5, -2.5, 1e-30, 0.5, 7.0])
SPECIAL2 = V([NAN, INF, INF, -0.0, 0.0, NAN, -2.5, 1e-30, 2.0, -INF])
LONGS = V([[-3, -1, 0], [1, 2, 7]], torch.int64)
EMPTY = N(0, 3)
LONG = torch.int64

# unary.go and the unary part of compare.go

for name, function, domain in [
    ("Abs", torch.abs, N(3, 4)), ("Neg", torch.neg, N(3, 4)), ("Exp", torch.exp, N(3, 4)),
    ("Expm1", torch.expm1, U(-0.01, 0.01, 3, 4)), ("Log", torch.log, U(0, 5, 3, 4)),
    ("Log2", torch.log2, U(0, 5, 3, 4)), ("Log10", torch.log10, U(0, 5, 3, 4)),
    ("Log1p", torch.log1p, U(-0.01, 0.01, 3, 4)), ("Sqrt", torch.sqrt, U(0, 5, 3, 4)),
    ("Rsqrt", torch.rsqrt, U(0, 5, 3, 4)), ("Square", torch.square, N(3, 4)),
    ("Reciprocal", torch.reciprocal, N(3, 4)), ("Sin", torch.sin, N(3, 4)), ("Cos", torch.cos, N(3, 4)),
    ("Tan", torch.tan, N(3, 4)), ("Asin", torch.asin, U(-1, 1, 3, 4)), ("Acos", torch.acos, U(-1, 1, 3, 4)),
    ("Atan", torch.atan, N(3, 4)), ("Sinh", torch.sinh, N(3, 4)), ("Cosh", torch.cosh, N(3, 4)),
    ("Tanh", torch.tanh, N(3, 4)), ("Sign", torch.sign, N(3, 4)), ("Floor", torch.floor, N(3, 4)),
    ("Ceil", torch.ceil, N(3, 4)), ("Round", torch.round, V([[0.5, 1.5, 2.5], [-0.5, -1.2, 1.7]])),
    ("Trunc", torch.trunc, N(3, 4)), ("Erf", torch.erf, N(3, 4)), ("Erfc", torch.erfc, N(3, 4)),
    ("Erfinv", torch.erfinv, U(-1, 1, 3, 4)), ("Lgamma", torch.lgamma, U(0.1, 5, 3, 4)),
    ("Digamma", torch.digamma, U(0.1, 5, 3, 4)), ("Relu", torch.relu, N(3, 4)), ("Exp2", torch.exp2, N(3, 4)),
    ("Sigmoid", torch.sigmoid, N(3, 4)), ("Asinh", torch.asinh, N(3, 4)), ("Acosh", torch.acosh, U(1, 5, 3, 4)),
    ("Atanh", torch.atanh, U(-1, 1, 3, 4)), ("Sinc", torch.sinc, V([[0.0, 0.5, 1.0], [-0.3, 2.2, 1e-8]])),
    ("Deg2Rad", torch.deg2rad, N(3, 4)), ("Rad2Deg", torch.rad2deg, N(3, 4)), ("Signbit", torch.signbit, N(3, 4)),
    ("IsNaN", torch.isnan, N(3, 4)), ("IsInf", torch.isinf, N(3, 4)), ("IsFinite", torch.isfinite, N(3, 4)),
    ("IsPosInf", torch.isposinf, N(3, 4)), ("IsNegInf", torch.isneginf, N(3, 4)),
    ("LogicalNot", torch.logical_not, N(3, 4)), ("Angle", torch.angle, N(3, 4)),
]:
    case(name, function, a=domain)
    case(name, function, a=SPECIAL)
    case(name, function, a=LONGS)
    case(name, function, a=EMPTY)

for name, function in [
    ("Frac", torch.frac), ("Relu6", F.relu6), ("LogSigmoid", F.logsigmoid), ("Selu", F.selu), ("Silu", F.silu),
    ("Mish", F.mish), ("Hardsigmoid", F.hardsigmoid), ("Hardswish", F.hardswish),
    ("LeakyRelu", lambda a: F.leaky_relu(a, 0.1)), ("Logit", lambda a: torch.logit(a, 1e-3)),
    ("Elu", lambda a: F.elu(a, 0.7)), ("Celu", lambda a: F.celu(a, 0.7)),
    ("Softplus", lambda a: F.softplus(a, 2.0, 3.0)), ("Hardtanh", lambda a: F.hardtanh(a, -0.5, 0.8)),
    ("Threshold", lambda a: F.threshold(a, 0.1, -0.3)),
    ("Softshrink", lambda a: F.softshrink(a, 0.3)), ("Hardshrink", lambda a: F.hardshrink(a, 0.3)),
]:
    case(name, function, a=N(4, 5))
    case(name, function, a=SPECIAL)
    case(name, function, a=EMPTY)

case("Gelu", lambda a: F.gelu(a), a=N(3, 4))
case("Gelu", lambda a: F.gelu(a, approximate="tanh"), a=N(3, 4))
case("Rrelu", lambda a: F.rrelu(a, 0.1, 0.4, training=True), a=N(4, 5))
case("Rrelu", lambda a: F.rrelu(a, 0.1, 0.4), a=N(4, 5))
case("Prelu", F.prelu, a=N(2, 3, 4), weight=N(3))
case("Prelu", F.prelu, a=N(5), weight=V([0.25]))
case("Glu", lambda a: F.glu(a, 0), a=N(4, 3))
case("Glu", lambda a: F.glu(a, -1), a=N(2, 3, 6))
for name, function in [("Softmax", F.softmax), ("LogSoftmax", F.log_softmax)]:
    case(name, lambda a, f=function: f(a, 1), a=N(2, 3, 4))
    case(name, lambda a, f=function: f(a, -1), a=V([[1e4, -1e4, 0.0], [-INF, 1.0, 2.0]]))
    case(name, lambda a, f=function: f(a, 0), a=N(4, 3, dtype=torch.bfloat16))

# pointwise.go and the binary part of compare.go

for name, function in [
    ("Eq", torch.eq), ("Ne", torch.ne), ("Lt", torch.lt), ("Le", torch.le), ("Gt", torch.gt), ("Ge", torch.ge),
    ("LogicalAnd", torch.logical_and), ("LogicalOr", torch.logical_or), ("LogicalXor", torch.logical_xor),
    ("Mul", torch.mul), ("Div", torch.div), ("Maximum", torch.maximum), ("Minimum", torch.minimum),
    ("Atan2", torch.atan2), ("Remainder", torch.remainder), ("Fmod", torch.fmod), ("Xlogy", torch.xlogy),
    ("Fmax", torch.fmax), ("Fmin", torch.fmin), ("Copysign", torch.copysign), ("Hypot", torch.hypot),
    ("LogAddExp", torch.logaddexp), ("Heaviside", torch.heaviside),
]:
    case(name, function, a=N(3, 4), other=U(0.5, 2, 4))
    case(name, function, a=SPECIAL, other=SPECIAL2)
    if name not in ("Hypot", "LogAddExp"):
        case(name, function, a=LONGS, other=V([[2, -1, 3]], LONG))
    else:
        case(name, function, a=N(2, 1, 3), other=N(4, 1))
    case(name, function, a=N(0, 3), other=N(1, 3))

for name, function in [("Add", torch.add), ("Sub", torch.sub)]:
    case(name, lambda a, b, f=function: f(a, b, alpha=1), a=N(3, 4), other=N(4))
    case(name, lambda a, b, f=function: f(a, b, alpha=-0.5), a=N(3, 1), other=N(1, 4))
    case(name, lambda a, b, f=function: f(a, b, alpha=3), a=LONGS, other=LONGS)
    case(name, lambda a, b, f=function: f(a, b, alpha=1), a=LONGS, other=N(2, 1))
    case(name, lambda a, b, f=function: f(a, b, alpha=2), a=N(3, dtype=torch.float16), other=N(3, dtype=torch.float16))
    case(name, lambda a, b, f=function: f(a, b, alpha=1), a=SPECIAL, other=SPECIAL2)

for name, function in [
    ("EqScalar", torch.eq), ("NeScalar", torch.ne), ("LtScalar", torch.lt), ("LeScalar", torch.le),
    ("GtScalar", torch.gt), ("GeScalar", torch.ge),
]:
    case(name, lambda a, f=function: f(a, 1.5), a=SPECIAL)
    case(name, lambda a, f=function: f(a, 16777216), a=V([16777215, 16777216, 16777217], LONG))
    case(name, lambda a, f=function: f(a, 0), a=I(-2, 3, 3, 4, dtype=torch.int16))

for name, function in [
    ("AddScalar", torch.add), ("SubScalar", torch.sub), ("MulScalar", torch.mul), ("DivScalar", torch.div),
    ("RemainderScalar", torch.remainder), ("FmodScalar", torch.fmod),
]:
    case(name, lambda a, f=function: f(a, 0.75), a=N(3, 4))
    case(name, lambda a, f=function: f(a, 3), a=LONGS)
    case(name, lambda a, f=function: f(a, 1.5), a=LONGS)
    case(name, lambda a, f=function: f(a, 2), a=N(3, 4))

case("DivRound", lambda a, b: torch.div(a, b, rounding_mode="floor"), a=N(3, 4), other=N(4))
case("DivRound", lambda a, b: torch.div(a, b, rounding_mode="trunc"), a=LONGS, other=V([2, -2, 3], LONG))
case("Pow", torch.pow, a=U(0.1, 3, 3, 4), exponent=N(4))
case("Pow", torch.pow, a=LONGS, exponent=V([0, 1, 3], LONG))
case("PowScalar", lambda a: torch.pow(a, 2.5), a=U(0, 3, 3, 4))
case("PowScalar", lambda a: torch.pow(a, 3), a=N(3, 4))
case("PowScalar", lambda a: torch.pow(a, 2), a=LONGS)
case("Lerp", torch.lerp, a=N(3, 4), end=N(3, 4), weight=N(4))
case("LerpScalar", lambda a, end: torch.lerp(a, end, 0.3), a=N(3, 4), end=N(3, 4))
case("Addcmul", lambda a, x, y: torch.addcmul(a, x, y, value=0.5), a=N(3, 4), x=N(3, 1), y=N(4))
case("Addcmul", lambda a, x, y: torch.addcmul(a, x, y, value=2), a=LONGS, x=LONGS, y=LONGS)
case("Addcdiv", lambda a, x, y: torch.addcdiv(a, x, y, value=0.5), a=N(3, 4), x=N(3, 1), y=U(1, 2, 4))
case("Clamp", lambda a: torch.clamp(a, -0.5, 0.5), a=N(3, 4))
case("Clamp", lambda a: torch.clamp(a, -1, 2), a=LONGS)
case("Clamp", lambda a: torch.clamp(a, -0.5, INF), a=SPECIAL)
case("ClampMin", lambda a: torch.clamp_min(a, 0.2), a=N(3, 4))
case("ClampMin", lambda a: torch.clamp_min(a, 0), a=LONGS)
case("ClampMax", lambda a: torch.clamp_max(a, 0.2), a=N(3, 4))
case("ClampMax", lambda a: torch.clamp_max(a, 0), a=LONGS)
case("ClampTensor", torch.clamp, a=N(3, 4), min=U(-1, 0, 4), max=U(0, 1, 3, 1))
case("ClampTensor", lambda a, max: torch.clamp(a, None, max), a=N(3, 4), max=N(4))
case("NanToNum", lambda a: torch.nan_to_num(a, 1.5, 9.0, -9.0), a=SPECIAL)

for name, function in [
    ("BitwiseAnd", torch.bitwise_and), ("BitwiseOr", torch.bitwise_or), ("BitwiseXor", torch.bitwise_xor),
]:
    case(name, function, a=I(0, 64, 3, 4), other=I(0, 64, 4))
    case(name, function, a=B(3, 4), other=B(3, 4))
case("BitwiseNot", torch.bitwise_not, a=I(0, 256, 5, dtype=torch.uint8))
case("BitwiseNot", torch.bitwise_not, a=B(5))
case("IsClose", lambda a, b: torch.isclose(a, b, 0.1, 0.01, True), a=SPECIAL, other=SPECIAL)
case("IsClose", lambda a, b: torch.isclose(a, b, 0.1, 0.01), a=SPECIAL, other=SPECIAL2)
case("IsIn", torch.isin, a=I(0, 6, 3, 4), set=V([1, 4], LONG))
case("Equal", torch.equal, a=V([1.0, 2.0]), b=V([1.0, 2.0]))
case("Equal", torch.equal, a=V([1.0, NAN]), b=V([1.0, NAN]))
case("AllClose", torch.allclose, a=V([1.0, 2.0]), b=V([1.0, 2.000001]))
case("AllClose", torch.allclose, a=V([1.0, 2.0]), b=V([1.0, 2.1]))
case("Where", torch.where, condition=B(3, 4), x=N(3, 1), y=N(4))
case("Where", torch.where, condition=B(2, 3), x=LONGS, y=N(3))

# reduce.go

def reductions(name, function, *calls, inputs=(N(2, 3, 4),)):
    """Adds function with each of the argument lists, on each of the inputs."""
    for arguments in calls:
        for a in inputs:
            case(name, lambda a, f=function, rest=arguments: f(a, *rest), a=a)


reductions("SumDims", torch.sum, ([0, -1], False), ([1], True), ([], False))
reductions("SumDims", torch.sum, ([0], False), inputs=(LONGS, EMPTY))
reductions("Mean", torch.mean, (), inputs=(N(2, 3), EMPTY, N(3, 4, dtype=torch.float16)))
reductions("MeanDims", torch.mean, ([0, -1], False), ([1], True))
reductions("Prod", torch.prod, (), inputs=(N(2, 3), LONGS, EMPTY))
reductions("ProdDim", torch.prod, (1, False), (-1, True))
for name, function in [("Var", torch.var), ("Std", torch.std), ("VarMean", torch.var_mean), ("StdMean", torch.std_mean)]:
    case(name, lambda a, f=function: f(a, [0, 2], correction=1, keepdim=True), a=N(2, 3, 4))
    case(name, lambda a, f=function: f(a, None, correction=0), a=N(3, 4))
for name, function in [("Max", torch.max), ("Min", torch.min), ("Any", torch.any), ("All", torch.all), ("Median", torch.median)]:
    reductions(name, function, (), inputs=(N(3, 5), LONGS, SPECIAL))
for name, function in [
    ("MaxDim", torch.max), ("MinDim", torch.min), ("MedianDim", torch.median), ("Mode", torch.mode),
    ("AnyDim", torch.any), ("AllDim", torch.all),
]:
    reductions(name, function, (1, False), (-1, True), inputs=(N(3, 5), I(0, 3, 4, 5)))
reductions("Amax", torch.amax, ([0, 2], False), ([], False), ([1], True))
reductions("Amin", torch.amin, ([0, 2], False), ([], False), ([1], True))
case("Amax", lambda a: torch.amax(a, [1]), a=V([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]))
reductions("ArgmaxDim", torch.argmax, (-1,), inputs=(N(3, 5), SPECIAL))
reductions("ArgminDim", torch.argmin, (-1,), inputs=(N(3, 5), SPECIAL))
case("CountNonzero", lambda a: torch.count_nonzero(a, [0]), a=I(0, 2, 4, 5))
case("CountNonzero", lambda a: torch.count_nonzero(a), a=I(0, 2, 4, 5))
reductions("LogSumExp", torch.logsumexp, ([1], False), ([0, -1], True))
case("Norm", lambda a: torch.linalg.vector_norm(a, 2), a=N(3, 4))
case("Norm", lambda a: torch.linalg.vector_norm(a, 1, [1], True), a=N(3, 4))
case("Norm", lambda a: torch.linalg.vector_norm(a, INF, [0]), a=N(3, 4))
case("Norm", lambda a: torch.linalg.vector_norm(a, 0.5, [-1]), a=N(3, 4))
case("Quantile", lambda a: torch.quantile(a, 0.3, 1, True), a=N(3, 5))
for name, function in [
    ("Cumsum", torch.cumsum), ("Cumprod", torch.cumprod), ("Cummax", torch.cummax), ("Cummin", torch.cummin),
    ("LogCumsumExp", torch.logcumsumexp),
]:
    reductions(name, function, (1,), (-2,))
reductions("Cumsum", torch.cumsum, (0,), inputs=(LONGS, EMPTY))
case("Bincount", lambda a: torch.bincount(a, minlength=6), a=V([1, 3, 1, 0], LONG))
case("Bincount", lambda a, w: torch.bincount(a, w), fixed=("weights",), a=V([1, 3, 1, 0], LONG), weights=N(4))
case("Histc", lambda a: torch.histc(a, 4, -1, 1), a=N(20))
reductions("NanSum", torch.nansum, ([0], True), (None, False), inputs=(V([[1.0, NAN], [2.0, 3.0]]),))
reductions("NanMean", torch.nanmean, ([0], True), (None, False), inputs=(V([[1.0, NAN], [2.0, 3.0]]),))
case("Aminmax", torch.aminmax, a=N(3, 4))
case("Dist", lambda a, b: torch.dist(a, b, 2), a=N(3, 4), other=N(4))
case("Dist", lambda a, b: torch.dist(a, b, 1.5), a=N(3, 4), other=N(3, 4))
case("Diff", lambda a: torch.diff(a, 1, -1), a=N(3, 5))
case("Diff", lambda a: torch.diff(a, 2, 0), a=I(0, 9, 4, 2))
case("Renorm", lambda a: torch.renorm(a, 2, 0, 1.0), a=N(3, 4))

# shape.go

case("Flatten", lambda a: torch.flatten(a, 1, -1), a=N(2, 3, 4))
case("Flatten", lambda a: torch.flatten(a, 0, 1), a=N(2, 0, 4))
case("View", lambda a: a.view(4, -1), a=N(2, 3, 4))
case("Reshape", lambda a: a.reshape(3, 2, -1), a=N(4, 6))
case("Permute", lambda a: a.permute(2, 0, -2), a=N(2, 3, 4))
case("Transpose", lambda a: a.transpose(0, -1), a=N(2, 3, 4))
case("Movedim", lambda a: a.movedim(0, -1), a=N(2, 3, 4))
case("Unsqueeze", lambda a: a.unsqueeze(-1), a=N(2, 3))
case("Unflatten", lambda a: a.unflatten(1, [2, -1]), a=N(2, 6))
case("Expand", lambda a: a.expand(2, -1, 4), a=N(3, 1))
case("ExpandAs", lambda a, b: a.expand_as(b), a=N(3, 1), other=N(2, 3, 4))
case("BroadcastTo", lambda a: a.broadcast_to([2, 3]), a=N(3))
case("Repeat", lambda a: a.repeat(2, 1, 3), a=N(2, 3))
case("RepeatInterleave", lambda a: a.repeat_interleave(2, -1), a=N(2, 3))
case("Tile", lambda a: a.tile([2]), a=N(2, 3))
case("Flip", lambda a: a.flip(0, -1), a=N(2, 3))
case("Roll", lambda a: a.roll([1, -2], [0, 1]), a=N(3, 4))
case("Cat", lambda a, b: torch.cat([a, b], -1), a=N(2, 3), b=N(2, 1))
case("Cat", lambda a, b: torch.cat([a, b], 0), a=LONGS, b=N(1, 3))
case("Cat", lambda a, b: torch.cat([a, b], 0), a=EMPTY, b=N(2, 3))
case("Stack", lambda a, b: torch.stack([a, b], 1), a=N(2, 3), b=N(2, 3))
case("Hstack", lambda a, b: torch.hstack([a, b]), a=N(2, 3), b=N(2, 1))
case("Hstack", lambda a, b: torch.hstack([a, b]), a=N(2), b=N(3))
case("Vstack", lambda a, b: torch.vstack([a, b]), a=N(3), b=N(3))
case("Split", lambda a: a.split(2, -1), a=N(2, 5))
case("SplitSizes", lambda a: a.split([1, 0, 4], 1), a=N(2, 5))
case("Chunk", lambda a: a.chunk(3, 1), a=N(2, 5))
case("Unbind", lambda a: a.unbind(-1), a=N(2, 3))
case("TensorSplit", lambda a: a.tensor_split([1, 3], 1), a=N(2, 5))
case("Meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="ij"), a=N(2), b=N(3))
case("Meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="xy"), a=N(2), b=N(3))
case("Unfold", lambda a: a.unfold(1, 3, 2), a=N(2, 7))
for mode in ["reflect", "replicate", "circular"]:
    case("Pad", lambda a, m=mode: F.pad(a, [2, 1], mode=m), a=N(1, 2, 4))
case("Pad", lambda a: F.pad(a, [1, 0, 0, 2], value=0.5), a=N(2, 3))
case("ConstantPad", lambda a: F.pad(a, [1, -1, 0, 2], value=0.5), a=N(2, 3))
case("ConstantPad", lambda a: F.pad(a, [1, 1], value=7), a=LONGS)
case("Contiguous", lambda a: a.contiguous(memory_format=torch.channels_last), a=N(1, 2, 3, 4))
case("Clone", torch.clone, a=N(2, 3))
case("Detach", torch.detach, a=N(2, 3))
case("PixelShuffle", lambda a: F.pixel_shuffle(a, 2), a=N(1, 8, 2, 3))
case("PixelUnshuffle", lambda a: F.pixel_unshuffle(a, 2), a=N(1, 2, 4, 6))
case("ChannelShuffle", lambda a: F.channel_shuffle(a, 3), a=N(1, 6, 2, 2))
case("Im2col", lambda a: F.unfold(a, (2, 3), (1, 1), (1, 0), (2, 1)), a=N(1, 2, 4, 5))
case("Col2im", lambda a: F.fold(a, (4, 5), (2, 3), (1, 1), (1, 0), (2, 1)), a=N(1, 12, 9))
case("Rot90", lambda a: torch.rot90(a, 3, [0, 2]), a=N(2, 3, 4))
case("DiagEmbed", lambda a: torch.diag_embed(a, 1, 0, -1), a=N(2, 3))

# index.go

case("Narrow", lambda a: a.narrow(1, -3, 2), a=N(2, 4))
case("Select", lambda a: a.select(1, -1), a=N(2, 4))
case("SliceDim", lambda a: a[:, 1:-1:2], a=N(2, 8))
case("IndexTensors", lambda a, i, j: a[i, j], a=N(3, 4), i=V([[0], [-1]], LONG), j=V([1, 3, 0], LONG))
case("IndexTensors", lambda a, j: a[:, j], a=N(3, 4), j=V([1, 1], LONG))
case("IndexTensors", lambda a, m: a[m], a=N(3, 4), m=B(3, 4))
case("IndexPut", lambda a, i, v: a.index_put([i], v), a=N(3, 4), i=V([2, 0], LONG), values=N(4))
case("IndexPut", lambda a, i, v: a.index_put([i], v, True), a=N(3), i=V([2, 0, 2], LONG), values=N(3))
case("IndexSelect", lambda a, i: a.index_select(-1, i), a=N(3, 4), index=V([3, 0, 0], LONG))
case("IndexAdd", lambda a, i, s: a.index_add(0, i, s, alpha=0.5), a=N(3, 4), index=V([2, 0, 2], LONG), source=N(3, 4))
case("IndexAdd", lambda a, i, s: a.index_add(1, i, s), a=LONGS, index=V([2, 0], LONG), source=I(0, 5, 2, 2))
case("IndexFill", lambda a, i: a.index_fill(1, i, 0.5), a=N(3, 4), index=V([2, 0], LONG))
case("IndexFill", lambda a, i: a.index_fill(1, i, 8), a=LONGS, index=V([2, 0], LONG))
case("IndexCopy", lambda a, i, s: a.index_copy(0, i, s), a=N(3, 4), index=V([2, 0], LONG), source=N(2, 4))
case("Gather", lambda a, i: a.gather(1, i), a=N(3, 4), index=I(0, 4, 3, 2))
case("Scatter", lambda a, i, s: a.scatter(1, i, s), a=N(3, 4), index=V([[0, 2], [1, 3], [3, 0]], LONG), source=N(3, 2))
case("ScatterValue", lambda a, i: a.scatter(0, i, 1.5), a=N(3, 4), index=I(0, 3, 2, 4))
case("ScatterValue", lambda a, i: a.scatter(0, i, 9), a=LONGS, index=I(0, 2, 1, 3))
case("ScatterAdd", lambda a, i, s: a.scatter_add(1, i, s), a=N(3, 4), index=I(0, 4, 3, 5), source=N(3, 5))
for reduce in ["sum", "prod", "mean", "amax", "amin"]:
    case("ScatterReduce", lambda a, i, s, r=reduce: a.scatter_reduce(1, i, s, r),
         a=N(3, 4), index=I(0, 4, 3, 5), source=N(3, 5))
case("ScatterReduce", lambda a, i, s: a.scatter_reduce(0, i, s, "mean", include_self=False),
     a=N(3), index=I(0, 3, 4), source=N(4))
case("Take", torch.take, a=N(3, 4), index=V([[0, 11], [-1, 5]], LONG))
case("TakeAlongDim", lambda a, i: torch.take_along_dim(a, i, 1), a=N(3, 4), index=I(0, 4, 1, 2))
case("MaskedSelect", torch.masked_select, a=N(3, 4), mask=B(4))
case("MaskedFill", lambda a, m: a.masked_fill(m, -INF), a=N(3, 4), mask=B(4))
case("MaskedFill", lambda a, m: a.masked_fill(m, 9), a=LONGS, mask=B(2, 3))
case("MaskedScatter", lambda a, m, s: a.masked_scatter(m, s), a=N(3, 4), mask=B(3, 4), source=N(12))
case("Nonzero", torch.nonzero, a=I(0, 2, 3, 4))
case("Nonzero", torch.nonzero, a=EMPTY)
case("Sort", lambda a: torch.sort(a, dim=1), a=N(3, 5))
case("Sort", lambda a: torch.sort(a, dim=-1, descending=True, stable=True), a=I(0, 3, 3, 6))
case("Sort", lambda a: torch.sort(a, dim=0, stable=True), a=SPECIAL)
case("Argsort", lambda a: torch.argsort(a, 1, True), a=N(3, 5))
case("TopK", lambda a: torch.topk(a, 2, 1), a=N(3, 5))
case("TopK", lambda a: torch.topk(a, 3, 0, largest=False), a=N(5))
case("KthValue", lambda a: torch.kthvalue(a, 2, 1, True), a=N(3, 5))
case("Unique", lambda a: torch.unique(a, return_inverse=True, return_counts=True), a=I(0, 4, 3, 4))
case("UniqueConsecutive", lambda a: torch.unique_consecutive(a, return_inverse=True, return_counts=True), a=I(0, 2, 9))
case("UniqueDim", lambda a: torch.unique(a, return_inverse=True, return_counts=True, dim=0), a=I(0, 2, 6, 2))
for right in [False, True]:
    case("SearchSorted", lambda s, v, r=right: torch.searchsorted(s, v, right=r), sorted=V([1.0, 2.0, 2.0, 5.0]), values=V([0.5, 2.0, 6.0]))
    case("Bucketize", lambda a, b, r=right: torch.bucketize(a, b, right=r), a=V([[0.5, 2.0, 6.0]]), boundaries=V([1.0, 2.0, 5.0]))
case("OneHot", lambda a: F.one_hot(a, 5), a=I(0, 5, 2, 3))
case("Tril", lambda a: torch.tril(a, -1), a=N(2, 3, 4))
case("Triu", lambda a: torch.triu(a, 1), a=N(2, 3, 4))
case("Diag", lambda a: torch.diag(a, 1), a=N(3, 4))
case("Diag", lambda a: torch.diag(a, -1), a=N(3))
case("Diagonal", lambda a: torch.diagonal(a, 1, 0, -1), a=N(3, 2, 4))
case("TrilIndices", lambda: torch.tril_indices(3, 4, -1))
case("TriuIndices", lambda: torch.triu_indices(3, 4, 1))

# like.go, random.go

case("EmptyLike", lambda a: torch.zeros_like(a), a=I(0, 9, 2, 3))  # compared by shape and dtype
case("ZerosLike", torch.zeros_like, a=N(2, 3, dtype=torch.float16))
case("OnesLike", torch.ones_like, a=LONGS)
case("FullLike", lambda a: torch.full_like(a, 2.5), a=N(2, 3))
case("FullLike", lambda a: torch.full_like(a, 4), a=LONGS)
case("RandLike", torch.rand_like, a=N(4, 5))
case("RandNLike", torch.randn_like, a=N(4, 5))
case("RandIntLike", lambda a: torch.randint_like(a, -3, 10), a=LONGS)
case("Multinomial", lambda a: torch.multinomial(a, 3), fixed=("a",), a=U(0.1, 1, 2, 5))
case("Multinomial", lambda a: torch.multinomial(a, 7, True), fixed=("a",), a=U(0.1, 1, 5))
case("Bernoulli", torch.bernoulli, a=U(0, 1, 4, 5))
case("Exponential", lambda a: torch.ops.aten.exponential(a, 2.0), fixed=("a",), a=N(4, 5))
case("Poisson", torch.poisson, a=U(0, 9, 4, 5))

# linalg.go

case("MM", torch.mm, a=N(3, 4), b=N(4, 2))
case("MM", torch.mm, a=N(3, 4, dtype=torch.bfloat16), b=N(4, 2, dtype=torch.bfloat16))
case("MM", torch.mm, a=I(0, 5, 2, 3), b=I(0, 5, 3, 2))
case("MM", torch.mm, a=N(0, 4), b=N(4, 2))
case("BMM", torch.bmm, a=N(2, 3, 4), b=N(2, 4, 2))
case("Matmul", torch.matmul, a=N(4), b=N(4))
case("Matmul", torch.matmul, a=N(2, 1, 3, 4), b=N(3, 4, 2))
case("MV", torch.mv, a=N(3, 4), v=N(4))
case("Dot", torch.dot, a=N(4), b=N(4))
case("Outer", torch.outer, a=N(3), b=N(4))
case("Inner", torch.inner, a=N(2, 3), b=N(4, 3))
case("Addmm", lambda a, x, y: torch.addmm(a, x, y, beta=0.5, alpha=2.0), a=N(3, 2), x=N(3, 4), y=N(4, 2))
case("Addmm", lambda a, x, y: torch.addmm(a, x, y, beta=1, alpha=3), a=I(0, 5, 2, 2), x=I(0, 5, 2, 3), y=I(0, 5, 3, 2))
case("Baddbmm", lambda a, x, y: torch.baddbmm(a, x, y, beta=0.5, alpha=2.0), a=N(2, 3, 2), x=N(2, 3, 4), y=N(2, 4, 2))
case("Einsum", lambda a, b: torch.einsum("bij,bjk->ik", a, b), a=N(2, 3, 4), b=N(2, 4, 2))
case("Tensordot", lambda a, b: torch.tensordot(a, b, ([0, 2], [1, 0])), a=N(2, 3, 4), b=N(4, 2, 5))
case("MultiDot", lambda a, b, c: torch.linalg.multi_dot([a, b, c]), a=N(2, 5), b=N(5, 3), c=N(3, 2))
case("Kron", torch.kron, a=N(2, 2), b=N(1, 3))
case("Cross", lambda a, b: torch.linalg.cross(a, b, dim=-1), a=N(4, 3), b=N(1, 3))
case("Trace", torch.trace, a=N(3, 4))
case("Inverse", torch.linalg.inv, a=SQUARE(2, 3, 3))
case("PInverse", torch.linalg.pinv, a=N(4, 2))
case("Det", torch.linalg.det, a=SQUARE(2, 3, 3))
case("Slogdet", torch.linalg.slogdet, a=SQUARE(2, 3, 3))
case("Solve", torch.linalg.solve, a=SQUARE(3, 3), b=N(3, 2))
case("SolveTriangular", lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), a=SQUARE(3, 3), b=N(3, 2))
case("Cholesky", torch.linalg.cholesky, a=SPD(3, 3))
case("CholeskySolve", torch.cholesky_solve, b=N(3, 2), l=SQUARE(3, 3))
case("QR", torch.linalg.qr, a=N(4, 3))
case("SVD", lambda a: torch.linalg.svd(a, full_matrices=False), a=N(4, 3))
case("Eigh", torch.linalg.eigh, a=SPD(3, 3))
case("MatrixPower", lambda a: torch.linalg.matrix_power(a, 3), a=N(3, 3))
case("MatrixPower", lambda a: torch.linalg.matrix_power(a, -2), a=SQUARE(3, 3))
case("Cdist", lambda a, b: torch.cdist(a, b, 2.0), a=N(2, 3, 4), b=N(5, 4))
case("Cdist", lambda a, b: torch.cdist(a, b, 1.0), a=N(3, 4), b=N(5, 4))
case("CosineSimilarity", lambda a, b: F.cosine_similarity(a, b, -1, 1e-6), a=N(3, 4), b=N(4))
case("PairwiseDistance", lambda a, b: F.pairwise_distance(a, b, 3.0, 1e-6, True), a=N(3, 4), b=N(3, 4))

# complex.go: complex inputs are stored as [..., 2]

C = torch.view_as_complex
case("Complex", torch.complex, real=N(2, 3), imag=N(2, 3))
case("Real", lambda a: C(a).real, a=N(3, 2))
case("Imag", lambda a: C(a).imag, a=N(3, 2))
case("Conj", lambda a: C(a).conj().resolve_conj(), a=N(3, 2))
case("ViewAsReal", lambda a: torch.view_as_real(C(a)), a=N(3, 2))
case("ViewAsComplex", C, a=N(3, 2))
case("FFT", lambda a: torch.fft.fft(a, dim=0), a=N(5, 2))
case("FFT", lambda a: torch.fft.fft(C(a)), a=N(3, 8, 2))
case("IFFT", lambda a: torch.fft.ifft(C(a)), a=N(3, 5, 2))
case("RFFT", lambda a: torch.fft.rfft(a), a=N(2, 7))
case("IRFFT", lambda a: torch.fft.irfft(C(a), 7), a=N(2, 4, 2))
case("IRFFT", lambda a: torch.fft.irfft(C(a), 6), a=N(2, 4, 2))
case("FFTN", lambda a: torch.fft.fftn(a), a=N(3, 4))
case("IFFTN", lambda a: torch.fft.ifftn(C(a), dim=[0, 1]), a=N(3, 4, 2))

# loss.go

REDUCTIONS = ["none", "mean", "sum"]
for r in REDUCTIONS:
    case("CrossEntropyLoss", lambda x, t, w, r=r: F.cross_entropy(x, t, w, reduction=r, ignore_index=1, label_smoothing=0.1),
         fixed=("weight",), logits=N(4, 3), target=V([0, 1, 2, 2], LONG), weight=U(0.5, 1, 3))
    case("NLLLoss", lambda x, t, w, r=r: F.nll_loss(x, t, w, reduction=r, ignore_index=-100),
         fixed=("weight",), logProbs=N(2, 3, 2), target=I(0, 3, 2, 2), weight=U(0.5, 1, 3))
    case("BCELoss", lambda x, t, w, r=r: F.binary_cross_entropy(x, t, w, reduction=r),
         fixed=("weight",), input=U(0.1, 0.9, 3, 4), target=U(0, 1, 3, 4), weight=U(0.5, 1, 4))
    case("BCEWithLogitsLoss", lambda x, t, w, p, r=r: F.binary_cross_entropy_with_logits(x, t, w, reduction=r, pos_weight=p),
         fixed=("weight", "posWeight"), logits=N(3, 4), target=U(0, 1, 3, 4), weight=U(0.5, 1, 3, 1), posWeight=U(1, 2, 4))
    case("MSELoss", lambda x, t, r=r: F.mse_loss(x, t, reduction=r), input=N(3, 4), target=N(3, 4))
    case("L1Loss", lambda x, t, r=r: F.l1_loss(x, t, reduction=r), input=N(3, 4), target=N(3, 4))
    case("SmoothL1Loss", lambda x, t, r=r: F.smooth_l1_loss(x, t, reduction=r, beta=0.5), input=N(3, 4), target=N(3, 4))
    case("HuberLoss", lambda x, t, r=r: F.huber_loss(x, t, reduction=r, delta=0.5), input=N(3, 4), target=N(3, 4))
    case("KLDivLoss", lambda x, t, r=r: F.kl_div(x, t, reduction=r), input=U(-3, 0, 3, 4), target=U(0, 1, 3, 4))
    case("CosineEmbeddingLoss", lambda a, b, t, r=r: F.cosine_embedding_loss(a, b, t, 0.2, reduction=r),
         a=N(4, 3), b=N(4, 3), target=V([1, -1, 1, -1], LONG))
    case("MarginRankingLoss", lambda a, b, t, r=r: F.margin_ranking_loss(a, b, t, 0.2, reduction=r),
         a=N(4), b=N(4), target=V([1, -1, 1, -1], LONG))
    case("HingeEmbeddingLoss", lambda x, t, r=r: F.hinge_embedding_loss(x, t, 0.8, reduction=r),
         input=N(4), target=V([1, -1, 1, -1], LONG))
    case("TripletMarginLoss", lambda a, p, n, r=r: F.triplet_margin_loss(a, p, n, 0.5, 2.0, reduction=r),
         anchor=N(4, 3), positive=N(4, 3), negative=N(4, 3))
    case("SoftMarginLoss", lambda x, t, r=r: F.soft_margin_loss(x, t, reduction=r), fixed=("target",), input=N(4), target=V([1.0, -1.0, 1.0, -1.0]))
    case("PoissonNLLLoss", lambda x, t, r=r: F.poisson_nll_loss(x, t, True, False, eps=1e-6, reduction=r), input=N(4), target=U(0, 5, 4))
    case("CTCLoss", lambda p, t, r=r: F.ctc_loss(p.log_softmax(2), t, (6, 5), (3, 2), 0, reduction=r, zero_infinity=True),
         logits=N(6, 2, 5), targets=I(1, 5, 2, 3))
    case("MultiMarginLoss", lambda x, t, w, r=r: F.multi_margin_loss(x, t, 2, 0.8, w, reduction=r),
         fixed=("weight",), input=N(4, 3), target=I(0, 3, 4), weight=U(0.5, 1, 3))
    case("MultilabelMarginLoss", lambda x, t, r=r: F.multilabel_margin_loss(x, t, reduction=r),
         input=N(2, 4), target=V([[3, 0, -1, 1], [2, -1, 0, 0]], LONG))
case("CrossEntropyLoss", lambda x, t: F.cross_entropy(x, t), logits=N(2, 3, 4), target=U(0, 1, 2, 3, 4))
case("NLLLoss", lambda x, t: F.nll_loss(x, t, ignore_index=0), logProbs=N(4, 3), target=V([0, 1, 2, 2], LONG))
case("BCELoss", lambda x, t: F.binary_cross_entropy(x, t), input=V([0.0, 1.0, 0.5]), target=V([0.0, 1.0, 1.0]))
case("BCEWithLogitsLoss", lambda x, t: F.binary_cross_entropy_with_logits(x, t), logits=V([-200.0, 200.0]), target=V([0.0, 0.0]))
case("KLDivLoss", lambda x, t: F.kl_div(x, t, reduction="mean", log_target=True), input=U(-3, 0, 3, 4), target=U(-3, 0, 3, 4))
case("PoissonNLLLoss", lambda x, t: F.poisson_nll_loss(x, t, False, False, eps=1e-3), input=U(0, 2, 4), target=U(0, 5, 4))

# nn.go

case("Linear", F.linear, input=N(2, 3, 4), weight=N(5, 4), bias=N(5))
case("Linear", F.linear, input=N(3, 4), weight=N(5, 4))
case("Bilinear", F.bilinear, x=N(2, 3), y=N(2, 4), weight=N(5, 3, 4), bias=N(5))
case("Conv1d", lambda x, w, b: F.conv1d(x, w, b, [2], [1], [2], 1), input=N(2, 3, 9), weight=N(4, 3, 3), bias=N(4))
case("Conv2d", lambda x, w, b: F.conv2d(x, w, b, [2, 1], [1, 0], [1, 2], 2), input=N(2, 4, 5, 7), weight=N(6, 2, 3, 2), bias=N(6))
case("Conv2d", lambda x, w: F.conv2d(x, w), input=N(1, 3, 5, 5), weight=N(2, 3, 3, 3))
case("Conv3d", lambda x, w, b: F.conv3d(x, w, b, [1, 2, 1], [0, 1, 1], [1, 1, 1], 1), input=N(1, 2, 3, 4, 5), weight=N(3, 2, 2, 3, 2), bias=N(3))
case("ConvTranspose1d", lambda x, w, b: F.conv_transpose1d(x, w, b, [2], [1], [1], 1, [2]), input=N(2, 3, 4), weight=N(3, 2, 3), bias=N(2))
case("ConvTranspose2d", lambda x, w, b: F.conv_transpose2d(x, w, b, [2, 1], [1, 0], [1, 0], 2, [1, 2]), input=N(1, 4, 3, 4), weight=N(4, 3, 3, 2), bias=N(6))
case("ConvTranspose3d", lambda x, w, b: F.conv_transpose3d(x, w, b, [2, 1, 1], [1, 0, 0], [0, 0, 0], 1, [1, 1, 1]), input=N(1, 2, 2, 3, 3), weight=N(2, 3, 3, 2, 2), bias=N(3))
case("BatchNorm", lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, True, 0.3, 1e-4), fixed=("mean", "var"),
     input=N(4, 3, 2), weight=N(3), bias=N(3), mean=N(3), var=U(0.5, 1, 3))
case("BatchNorm", lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, False, 0.3, 1e-4), fixed=("mean", "var"),
     input=N(4, 3), weight=N(3), bias=N(3), mean=N(3), var=U(0.5, 1, 3))
case("BatchNorm", lambda x: F.batch_norm(x, None, None, training=True), input=N(4, 3))
case("GroupNorm", lambda x, w, b: F.group_norm(x, 2, w, b, 1e-4), input=N(2, 4, 3), weight=N(4), bias=N(4))
case("GroupNorm", lambda x: F.group_norm(x, 4), input=N(2, 4, 3))
case("LayerNorm", lambda x, w, b: F.layer_norm(x, [3, 4], w, b, 1e-4), input=N(2, 3, 4), weight=N(3, 4), bias=N(3, 4))
case("LayerNorm", lambda x: F.layer_norm(x, [4]), input=N(2, 3, 4))
case("RMSNorm", lambda x, w: F.rms_norm(x, [4], w, 1e-4), input=N(2, 3, 4), weight=N(4))
case("InstanceNorm", lambda x, w, b: F.instance_norm(x, None, None, w, b, True, 0.1, 1e-4), input=N(2, 3, 4), weight=N(3), bias=N(3))
case("InstanceNorm", lambda x, m, v: F.instance_norm(x, m, v, None, None, False, 0.1, 1e-4), fixed=("mean", "var"),
     input=N(2, 3, 4), mean=N(3), var=U(0.5, 1, 3))
case("Embedding", lambda w, i: F.embedding(i, w), weight=N(5, 3), indices=I(0, 5, 2, 4))
case("Embedding", lambda w, i: F.embedding(i, w, padding_idx=2), weight=N(5, 3), indices=V([2, 0, 2, 1], LONG))
for name, function in [("Dropout", torch.dropout), ("AlphaDropout", torch.alpha_dropout)]:
    case(name, lambda a, f=function: f(a, 0.4, True), a=N(4, 6))
    case(name, lambda a, f=function: f(a, 0.4, False), a=N(4, 6))
case("FeatureDropout", lambda a: torch.feature_dropout(a, 0.5, True), a=N(2, 6, 3))
case("FeatureAlphaDropout", lambda a: torch.feature_alpha_dropout(a, 0.5, True), a=N(2, 6, 3))
case("MaxPool1d", lambda x: F.max_pool1d(x, 3, 2, 1, 1), input=N(2, 3, 7))
case("MaxPool2d", lambda x: F.max_pool2d(x, [3, 2], [2, 1], [1, 0], [1, 2], ceil_mode=True), input=N(1, 2, 6, 7))
case("MaxPool2d", lambda x: F.max_pool2d(x, 2), input=N(2, 4, 4))
case("MaxPool2dWithIndices", lambda x: F.max_pool2d(x, 2, 2, return_indices=True), input=N(1, 2, 4, 6))
case("MaxPool3d", lambda x: F.max_pool3d(x, 2, 1), input=N(1, 2, 3, 4, 3))
case("AvgPool1d", lambda x: F.avg_pool1d(x, 3, 2, 1, False, False), input=N(2, 3, 7))
case("AvgPool2d", lambda x: F.avg_pool2d(x, [3, 2], [2, 2], [1, 0], True, True), input=N(1, 2, 6, 7))
case("AvgPool2d", lambda x: F.avg_pool2d(x, 2), input=N(1, 2, 4, 4))
case("AvgPool3d", lambda x: F.avg_pool3d(x, 2, 1, 1, False, False), input=N(1, 2, 3, 4, 3))
case("AdaptiveAvgPool1d", lambda x: F.adaptive_avg_pool1d(x, 3), input=N(2, 3, 7))
case("AdaptiveAvgPool2d", lambda x: F.adaptive_avg_pool2d(x, [3, 2]), input=N(1, 2, 5, 7))
case("AdaptiveAvgPool3d", lambda x: F.adaptive_avg_pool3d(x, [2, 1, 2]), input=N(1, 2, 3, 4, 5))
case("AdaptiveMaxPool1d", lambda x: F.adaptive_max_pool1d(x, 3, True), input=N(2, 3, 7))
case("AdaptiveMaxPool2d", lambda x: F.adaptive_max_pool2d(x, [3, 2], True), input=N(1, 2, 5, 7))
case("MaxUnpool2d", lambda x, i: F.max_unpool2d(x, i, 2, 2, output_size=[4, 5]), input=N(1, 1, 2, 2), indices=V([[[[0, 7], [10, 18]]]], LONG))
case("UpsampleNearest1d", lambda x: F.interpolate(x, 7, mode="nearest"), input=N(1, 2, 4))
case("UpsampleNearest2d", lambda x: F.interpolate(x, (5, 7), mode="nearest"), input=N(1, 2, 3, 4))
case("UpsampleNearest3d", lambda x: F.interpolate(x, (2, 4, 3), mode="nearest"), input=N(1, 1, 2, 3, 2))
for corners in [False, True]:
    case("UpsampleLinear1d", lambda x, c=corners: F.interpolate(x, 7, mode="linear", align_corners=c), input=N(1, 2, 4))
    case("UpsampleBilinear2d", lambda x, c=corners: F.interpolate(x, (5, 7), mode="bilinear", align_corners=c), input=N(1, 2, 3, 4))
    case("UpsampleBicubic2d", lambda x, c=corners: F.interpolate(x, (5, 7), mode="bicubic", align_corners=c), input=N(1, 2, 3, 4))
    case("UpsampleTrilinear3d", lambda x, c=corners: F.interpolate(x, (3, 4, 3), mode="trilinear", align_corners=c), input=N(1, 1, 2, 3, 2))
    case("AffineGrid", lambda t, c=corners: F.affine_grid(t, [2, 1, 3, 4], align_corners=c), theta=N(2, 2, 3))
    case("GridSample", lambda x, grid, c=corners: F.grid_sample(x, grid, "bilinear", "zeros", c), input=N(1, 2, 3, 4), grid=U(-1.2, 1.2, 1, 2, 3, 2))
for name, mode in [("UpsampleNearest1dBy", "nearest"), ("UpsampleLinear1dBy", "linear")]:
    case(name, lambda x, m=mode: F.interpolate(x, scale_factor=1.7, mode=m), input=N(1, 2, 4))
for name, mode in [("UpsampleNearest2dBy", "nearest"), ("UpsampleBilinear2dBy", "bilinear"), ("UpsampleBicubic2dBy", "bicubic")]:
    case(name, lambda x, m=mode: F.interpolate(x, scale_factor=(1.7, 2.2), mode=m), input=N(1, 2, 3, 4))
case("GridSample", lambda x, grid: F.grid_sample(x, grid, "nearest", "border", False), input=N(1, 2, 3, 4), grid=U(-1.2, 1.2, 1, 2, 3, 2))
case("GridSample", lambda x, grid: F.grid_sample(x, grid, "bicubic", "reflection", False), input=N(1, 2, 3, 4), grid=U(-1.2, 1.2, 1, 2, 3, 2))
ATTENTION = F.scaled_dot_product_attention
case("ScaledDotProductAttention", lambda q, k, v: ATTENTION(q, k, v), q=N(2, 2, 3, 4), k=N(2, 2, 5, 4), v=N(2, 2, 5, 4))
case("ScaledDotProductAttention", lambda q, k, v, m: ATTENTION(q, k, v, m), q=N(1, 2, 3, 4), k=N(1, 2, 5, 4), v=N(1, 2, 5, 6),
     mask=V([[True, True, False, True, False], [True] * 5, [False, True, True, True, True]], torch.bool))
case("ScaledDotProductAttention", lambda q, k, v: ATTENTION(q, k, v, is_causal=True), q=N(1, 2, 3, 4), k=N(1, 2, 3, 4), v=N(1, 2, 3, 4))
case("LSTM", lambda x, h, c, *w: torch.lstm(x, [h, c], w, True, 1, 0.0, False, False, True), x=N(2, 3, 4), h=N(1, 2, 3), c=N(1, 2, 3),
     wi=N(12, 4), wh=N(12, 3), bi=N(12), bh=N(12))
case("LSTM", lambda x, h, c, *w: torch.lstm(x, [h, c], w, False, 1, 0.0, True, True, False), x=N(3, 2, 4), h=N(2, 2, 2), c=N(2, 2, 2),
     wi=N(8, 4), wh=N(8, 2), ri=N(8, 4), rh=N(8, 2))
case("GRU", lambda x, h, *w: torch.gru(x, h, w, True, 1, 0.0, False, False, False), x=N(3, 2, 4), h=N(1, 2, 3),
     wi=N(9, 4), wh=N(9, 3), bi=N(9), bh=N(9))

# What is written by hand: ops.go, create.go, embeddingbag.go

case("Sum", lambda a: torch.sum(a), a=N(2, 3))
case("Sum", lambda a: torch.sum(a, 1), a=N(2, 3))
case("Sum", lambda a: torch.sum(a, -1, True), a=N(2, 3))
case("Sum", lambda a: torch.sum(a), a=B(3, 4))
case("Squeeze", lambda a: torch.squeeze(a), a=N(1, 3, 1))
case("Squeeze", lambda a: torch.squeeze(a, -1), a=N(1, 3, 1))
case("Squeeze", lambda a: torch.squeeze(a, 1), a=N(1, 3, 1))
for name, function in [("Argmax", torch.argmax), ("Argmin", torch.argmin)]:
    case(name, lambda a, f=function: f(a), a=N(3, 4))
    case(name, lambda a, f=function: f(a, 1), a=N(3, 4))
    case(name, lambda a, f=function: f(a, -2, True), a=N(3, 4))
case("Index", lambda a: a[1, -1], a=N(3, 4))
case("Index", lambda a: a[-2], a=N(3, 4))
case("Index", lambda a: a.view(3, 4), a=N(3, 4))
case("To", lambda a: a.to(torch.float64), a=N(3, 4))
case("To", lambda a: a.to(torch.bfloat16), a=N(3, 4))
case("To", lambda a: a.to(torch.int32), a=V([1.9, -1.9, 0.0]))
case("To", lambda a: a.to(torch.bool), a=V([1.9, NAN, 0.0, -0.0]))
case("CopyI", lambda a, b: a.detach().copy_(b), a=N(2, 3), other=I(0, 9, 3))
case("FillI", lambda a: a.detach().fill_(2.5), a=N(2, 3))
case("FillI", lambda a: a.fill_(4), a=LONGS)
case("NormalI", lambda a: a.detach().normal_(1.0, 2.0), a=N(4, 5))
case("UniformI", lambda a: a.detach().uniform_(-1.0, 3.0), a=N(4, 5))
case("EmbeddingBag", lambda w, i, o: F.embedding_bag(i, w, o, mode="sum"), weight=N(5, 3), indices=I(0, 5, 6), offsets=V([0, 2, 2], LONG))
case("EmbeddingBag", lambda w, i, o: F.embedding_bag(i, w, o, mode="mean", padding_idx=1), weight=N(5, 3), indices=V([1, 0, 1, 4], LONG), offsets=V([0, 3], LONG))
case("EmbeddingBag", lambda w, i, o: F.embedding_bag(i, w, o, mode="max"), weight=N(5, 3), indices=I(0, 5, 6), offsets=V([0, 2], LONG))
case("EmbeddingBag", lambda w, i, o, s: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=s),
     weight=N(5, 3), indices=I(0, 5, 6), offsets=V([0, 2], LONG), scales=N(6))

case("Zeros", lambda: torch.zeros(2, 3))
case("Ones", lambda: torch.ones(2, 0))
case("Full", lambda: torch.full((2,), 2.5))
case("FullWith", lambda: torch.full((2,), 3, dtype=LONG))
case("Eye", lambda: torch.eye(2, 3))
case("Arange", lambda: torch.arange(0.5, 3, 0.75))
case("ArangeWith", lambda: torch.arange(5, -6, -3, dtype=LONG))
case("Linspace", lambda: torch.linspace(-1, 2, 7))
case("Logspace", lambda: torch.logspace(-1, 2, 4, base=2.0))
case("Rand", lambda: torch.rand(3, 4))
case("RandN", lambda: torch.randn(4, 5))
case("RandInt", lambda: torch.randint(-5, 100, (3, 4)))
case("RandInt", lambda: torch.randint(0, 2, (5,), dtype=torch.uint8))
case("RandPerm", lambda: torch.randperm(10))
case("RandPerm", lambda: torch.randperm(6, dtype=torch.int32))

write("operators.safetensors")
