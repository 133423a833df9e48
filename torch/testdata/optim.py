"""Writes optim.json: what PyTorch's optimizers, clipping and GradScaler compute.

Run from this folder with PyTorch 2.11: python optim.py

The parameters are those of two linear layers, 3 to 4 to 2, in float32. Their
gradients of ten steps are drawn once and are the same for every case. The cases'
names and settings are those of optim_test.go, clip_test.go and gradscaler_test.go.
PyTorch's plain per-tensor formulas are the reference (foreach=False), which share
no code with the fused operators that Torchlit calls.
"""
import json
import math

import torch

torch.manual_seed(7)
SHAPES = [[4, 3], [4], [2, 4], [2]]  # weight and bias of each layer
STEPS = 10
INITIAL = [torch.randn(s) for s in SHAPES]
GRADS = [[torch.randn(s) * 0.5 for s in SHAPES] for _ in range(STEPS)]


def flat(tensors):
    """Nine digits tell every float32 from its neighbours."""
    return [[float(f"{x:.9g}") for x in t.flatten().tolist()] for t in tensors]


def run(make, each=lambda opt, step: None, skip=lambda step, i: False):
    params = [p.clone().requires_grad_() for p in INITIAL]
    opt = make(params)
    trace = []
    for step in range(STEPS):
        each(opt, step)
        for i, p in enumerate(params):
            p.grad = None if skip(step, i) else GRADS[step][i].clone()
        opt.step()
        trace.append(flat(p.detach() for p in params))
    return trace


def groups(params, **biases):
    return [{"params": params[0::2]}, {"params": params[1::2], **biases}]


def set_all(**settings):
    def each(opt, step):
        if step == 5:
            for g in opt.param_groups:
                g.update(settings)

    return each


def first_layer_late(step, i):
    return i < 2 and step < 3


def sgd(**o):
    return lambda p: torch.optim.SGD(p, lr=0.1, foreach=False, **o)


def adam(**o):
    return lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.99), foreach=False, **o)


def adamw(**o):
    return lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.99), foreach=False, **o)


def rmsprop(**o):
    return lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, foreach=False, **o)


CASES = {
    "sgd": run(sgd()),
    "sgd decay": run(sgd(weight_decay=0.1)),
    "sgd momentum": run(sgd(momentum=0.9)),
    "sgd nesterov": run(sgd(momentum=0.9, weight_decay=0.01, nesterov=True)),
    "sgd dampening": run(sgd(momentum=0.9, dampening=0.5, weight_decay=0.01)),
    "sgd late": run(sgd(momentum=0.9, dampening=0.5), skip=first_layer_late),
    "sgd groups": run(lambda p: sgd(momentum=0.9, weight_decay=0.1)(groups(p, lr=0.03, weight_decay=0))),
    "sgd changed": run(sgd(momentum=0.9), each=set_all(lr=0.01, momentum=0.5)),
    "adam": run(adam()),
    "adam decay": run(adam(weight_decay=0.1)),
    "adam late": run(adam(), skip=first_layer_late),
    "adam changed": run(adam(), each=set_all(lr=0.01, betas=(0.9, 0.99))),
    "adamw": run(adamw(weight_decay=0.1)),
    "adamw groups": run(lambda p: adamw(weight_decay=0.1)(groups(p, lr=0.01, weight_decay=0, betas=(0.9, 0.99)))),
    "rmsprop": run(rmsprop()),
    "rmsprop decay": run(rmsprop(weight_decay=0.1, momentum=0.5)),
    "rmsprop centered": run(rmsprop(centered=True, eps=1e-3)),
    "rmsprop centered momentum": run(rmsprop(centered=True, momentum=0.9, eps=1e-3)),
    "rmsprop groups": run(lambda p: rmsprop(weight_decay=0.1)(groups(p, lr=0.01, momentum=0.5, weight_decay=0))),
}


def clip(max_norm, norm_type):
    params = [p.clone().requires_grad_() for p in INITIAL]
    for p, g in zip(params, GRADS[0]):
        p.grad = g.clone()
    total = torch.nn.utils.clip_grad_norm_(params, max_norm, norm_type)
    return {"max": max_norm, "type": str(norm_type), "total": total.item(), "grads": flat(p.grad for p in params)}


def clip_value(limit):
    params = [p.clone().requires_grad_() for p in INITIAL]
    for p, g in zip(params, GRADS[0]):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_value_(params, limit)
    return flat(p.grad for p in params)


def scaler():
    """Twelve steps, some of whose gradients are infinite or no number."""
    bad = {3: math.inf, 4: math.nan, 8: -math.inf}
    params = [p.clone().requires_grad_() for p in INITIAL]
    opt = torch.optim.SGD(params, lr=0.1, momentum=0.9)
    s = torch.amp.GradScaler("cpu", init_scale=8, growth_factor=2, backoff_factor=0.25, growth_interval=3)
    trace = []
    for step in range(12):
        opt.zero_grad()
        loss = sum((p * g).sum() for p, g in zip(params, GRADS[step % STEPS]))
        if step in bad:
            loss = loss + params[3][0] * bad[step]
        s.scale(loss).backward()
        if step % 2:
            s.unscale_(opt)
            torch.nn.utils.clip_grad_norm_(params, 1.0)
        s.step(opt)
        s.update()
        trace.append({"scale": s.get_scale(), "params": flat(p.detach() for p in params)})
    return trace


data = {
    "torch": torch.__version__,
    "shapes": SHAPES,
    "initial": flat(INITIAL),
    "grads": [flat(g) for g in GRADS],
    "cases": CASES,
    "clip": [clip(m, t) for m, t in [(1.0, 2.0), (100.0, 2.0), (1.0, 1.0), (2.0, 3.0), (0.5, math.inf)]],
    "clip value": clip_value(0.4),
    "scaler": scaler(),
}
with open("optim.json", "w") as f:
    json.dump(data, f, separators=(",", ":"))
    f.write("\n")
