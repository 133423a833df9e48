"""Training steps of the bundled recipe in PyTorch, for BenchmarkTrainingAgainstPython.

Reads a number of steps from each line and answers with the seconds that they took. The
images are in memory, normalised and augmented already: what is left is the computing.
"""
import sys
import time

import timm
import torch
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(int(sys.argv[1]))
batch, side = int(sys.argv[2]), int(sys.argv[3])

net = timm.create_model("resnet18", num_classes=10)
net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
net.maxpool = nn.Identity()
net = net.to(memory_format=torch.channels_last).train()
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
x = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
y = torch.randint(0, 10, (batch,))


def step():
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(net(x), y)
    loss.backward()
    opt.step()
    opt.zero_grad()
    return loss.item()


for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        step()
    print(time.perf_counter() - start, flush=True)
