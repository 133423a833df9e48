"""Writes schedules.json: the curves of PyTorch's learning-rate schedulers.

Run from this folder with PyTorch 2.11: python schedules.py

Each curve is the learning rates of two groups, 0.1 and 0.02, before each of 60
steps, and where the schedule changes it the momentum. The cases' names are those
of lrscheduler_test.go, which holds the same settings.
"""
import json
import math
import warnings

import torch
from torch.optim import lr_scheduler as s

warnings.simplefilter("ignore")  # about the milestone form of SequentialLR
STEPS = 60
BASES = [0.1, 0.02]
METRICS = [round(math.exp(-i / 6) + 0.2 + 0.03 * math.sin(5 * i), 6) for i in range(STEPS)]


def optimizer():
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in BASES]
    return torch.optim.SGD(groups, lr=1, momentum=0.9)


def curve(make, metrics=None):
    opt = optimizer()
    scheduler = make(opt)
    lrs, momenta = [], []
    for i in range(STEPS):
        lrs.append([g["lr"] for g in opt.param_groups])
        momenta.append(opt.param_groups[0]["momentum"])
        opt.step()
        if metrics is not None:
            scheduler.step(metrics[i])
        elif i + 1 < STEPS:
            scheduler.step()
    return {"lrs": lrs, "momenta": momenta}


CASES = {
    "step": lambda o: s.StepLR(o, 7, 0.3),
    "step default": lambda o: s.StepLR(o, 20),
    "multistep": lambda o: s.MultiStepLR(o, [5, 20, 20, 41], 0.5),
    "exponential": lambda o: s.ExponentialLR(o, 0.93),
    "lambda": lambda o: s.LambdaLR(o, lambda step: 1 / (1 + step)),
    "linear": lambda o: s.LinearLR(o, 0.1, 1.0, 8),
    "linear down": lambda o: s.LinearLR(o, 1.0, 0.0, 50),
    "constant": lambda o: s.ConstantLR(o, 0.25, 9),
    "cosine": lambda o: s.CosineAnnealingLR(o, 25, 0.001),
    "restarts": lambda o: s.CosineAnnealingWarmRestarts(o, 7, 2, 0.001),
    "restarts even": lambda o: s.CosineAnnealingWarmRestarts(o, 9),
    "one cycle": lambda o: s.OneCycleLR(o, 0.5, STEPS),
    "one cycle linear": lambda o: s.OneCycleLR(
        o, BASES, STEPS, pct_start=0.2, anneal_strategy="linear", div_factor=10, final_div_factor=100,
        base_momentum=0.8, max_momentum=0.9),
    "one cycle three phases": lambda o: s.OneCycleLR(o, 0.5, STEPS, pct_start=0.4, three_phase=True),
    "one cycle one step up": lambda o: s.OneCycleLR(o, 0.5, STEPS, pct_start=1 / STEPS + 1e-9, cycle_momentum=False),
    "sequential": lambda o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, 1.0, 6), s.CosineAnnealingLR(o, 30), s.ExponentialLR(o, 0.9)], [6, 36]),
}
PLATEAUS = {
    "plateau": lambda o: s.ReduceLROnPlateau(o, patience=2, cooldown=3),
    "plateau absolute": lambda o: s.ReduceLROnPlateau(
        o, factor=0.5, patience=1, threshold=0.01, threshold_mode="abs", min_lr=0.003),
    "plateau max": lambda o: s.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=3, threshold=0, eps=1e-3),
}

curves = {name: curve(make) for name, make in CASES.items()}
curves |= {name: curve(make, METRICS) for name, make in PLATEAUS.items()}
with open("schedules.json", "w") as f:
    json.dump({"torch": torch.__version__, "metrics": METRICS, "curves": curves}, f, separators=(",", ":"))
    f.write("\n")
