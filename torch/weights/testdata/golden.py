"""Writes the files of weights beside it, and what is in them (want.json).

    pip install torch==2.11.0 safetensors==0.8.0 pytorch-lightning==2.6.6 omegaconf==2.4.0
    python golden.py

The network is as small as one with a ResNet's names can be.
"""
import argparse
import copy
import json
import os
import pathlib
import warnings

import omegaconf
import pytorch_lightning
import safetensors.torch
import torch
from torch import nn

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(2)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 1, bias=False)
        self.layer1 = nn.Sequential(Block())
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(self.layer1[0].bn1(self.layer1[0].conv1(self.conv1(x))).mean((2, 3)))


class Custom:
    """A class of the user's own among the hyper-parameters."""

    def __init__(self):
        self.path = pathlib.PurePosixPath("/data")


class Lit(pytorch_lightning.LightningModule):
    def __init__(self, config, args, custom, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.model = Tiny()
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(2))

    def training_step(self, batch, _):
        x, y = batch
        return self.criterion(self.model(x), y)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)]

    def train_dataloader(self):
        data = [(torch.randn(3, 4, 4), i % 2) for i in range(4)]
        return torch.utils.data.DataLoader(data, batch_size=2)


def plain(state):
    return {
        name: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": t.double().flatten().tolist()}
        for name, t in state.items()
    }


want = {}
tiny = Tiny()
state = tiny.state_dict()
other = copy.deepcopy(tiny)
with torch.no_grad():
    for p in other.parameters():
        p.add_(1)


def keep(name, section, prefix, tensors):
    want[name] = {"section": section, "prefix": prefix, "tensors": plain(tensors)}


safetensors.torch.save_file(state, HERE / "plain.safetensors")
keep("plain.safetensors", "", "", state)
torch.save(state, HERE / "pytorch_model.bin")
keep("pytorch_model.bin", "", "", state)
torch.save(state, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
keep("legacy.pth", "", "", state)
torch.save(tiny, HERE / "module.pth")
keep("module.pth", "", "", state)
torch.serialization.get_source_lines_and_file = None  # it would put the source of each class into the file
torch.save(nn.DataParallel(tiny), HERE / "module_legacy.pth", _use_new_zipfile_serialization=False)
keep("module_legacy.pth", "", "module.", state)

half = copy.deepcopy(tiny).half().to(memory_format=torch.channels_last).state_dict()
torch.save(half, HERE / "half.bin")
keep("half.bin", "", "", half)
brain = copy.deepcopy(tiny).bfloat16().state_dict()
torch.save({"model": {f"module.{k}": v for k, v in brain.items()}, "epoch": 3}, HERE / "ddp.pth")
keep("ddp.pth", "model", "module.", brain)

optimizer = torch.optim.SGD(tiny.parameters(), lr=0.1, momentum=0.9)
torch.save({
    "epoch": 7, "arch": "tiny", "state_dict": state, "optimizer": optimizer.state_dict(), "version": 2,
    "args": argparse.Namespace(lr=0.1), "state_dict_ema": other.state_dict(), "metric": 71.5,
}, HERE / "timm_ema.pth")
keep("timm_ema.pth", "state_dict_ema", "", other.state_dict())

averaged = torch.optim.swa_utils.AveragedModel(other)
torch.save({"model": state, "model_ema": averaged.state_dict(), "optimizer": optimizer.state_dict()}, HERE / "torchvision_ema.pth")
keep("torchvision_ema.pth", "model_ema", "module.", other.state_dict())

two = {f"student.{k}": v for k, v in state.items()} | {f"teacher.{k}": v for k, v in state.items()}
torch.save({"state_dict": two}, HERE / "two.ckpt")

lit = Lit(omegaconf.OmegaConf.create({"optim": {"lr": 0.1}}), argparse.Namespace(layers=[1, 2]), Custom())
trainer = pytorch_lightning.Trainer(
    max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer.fit(lit)
trainer.save_checkpoint(HERE / "lightning.ckpt")
keep("lightning.ckpt", "state_dict", "model.", lit.model.state_dict())


class Attack:
    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def __reduce__(self):
        return self.function, (self.argument,)


torch.save({"state_dict": state, "note": Attack(os.system, "echo attacked")}, HERE / "attack_system.bin")
torch.save(state | {"x": Attack(eval, "1")}, HERE / "attack_eval.bin", _use_new_zipfile_serialization=False)
torch.save({"a": torch.zeros(1).expand(1 << 40)}, HERE / "bomb_expanded.bin")
storage = torch.zeros(3000)
torch.save({f"t{i}": storage[:] for i in range(200)}, HERE / "bomb_shared.bin")
(HERE / "want.json").write_text(json.dumps(want, sort_keys=True) + "\n")
