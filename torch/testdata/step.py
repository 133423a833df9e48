"""Training steps in PyTorch, for BenchmarkStepAgainstPython.

Reads lines "mlp N" or "resnet18 N" and answers each with the seconds that N steps took.
"""
import sys
import time

import torch
import torchvision
from torch import nn

torch.manual_seed(1)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 512), nn.Linear(512, 512), nn.Linear(512, 10)

    def forward(self, x):
        x = torch.tanh(self.fc1(x.view(-1, 784)))
        return self.fc3(torch.tanh(self.fc2(x)))


def trainer(net, x, y):
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    net.train()

    def step():
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()

    return step


steps = {
    "mlp": trainer(MLP(), torch.randn(64, 1, 28, 28), torch.zeros(64, dtype=torch.long)),
    "resnet18": trainer(
        torchvision.models.resnet18(), torch.randn(16, 3, 224, 224), torch.zeros(16, dtype=torch.long)
    ),
}
for line in sys.stdin:
    name, n = line.split()
    start = time.perf_counter()
    for _ in range(int(n)):
        steps[name]()
    print(time.perf_counter() - start, flush=True)
