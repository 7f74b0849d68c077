"""Seconds of a full fine-tuning step in PyTorch, channels-last, for `npm run bench -- train`. Prints JSON.

The networks are those of libs/models with random weights and ten classes, batch norm frozen, Adam: only the arithmetic counts.
"""
import json
import sys
import time

import torch
from torch import nn

from pytorch_forward import googlenet, resnet50

FEATURES = {"resnet50": 2048, "googlenet": 1024}


def step(network, optimizer, pictures, labels):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(pictures), labels).backward()
    optimizer.step()


name, batch, rounds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
base = {"resnet50": resnet50, "googlenet": googlenet}[name]()
network = nn.Sequential(base, nn.Flatten(), nn.Linear(FEATURES[name], 10)).to(memory_format=torch.channels_last)
network.eval()
optimizer = torch.optim.Adam(network.parameters(), 1e-5)
pictures = torch.randn(batch, 3, 224, 224).to(memory_format=torch.channels_last)
labels = torch.arange(batch) % 10
for _ in range(6):
    step(network, optimizer, pictures, labels)
seconds, cpu_seconds = [], []
for _ in range(rounds):
    start, cpu = time.perf_counter(), time.process_time()
    step(network, optimizer, pictures, labels)
    seconds.append(time.perf_counter() - start)
    cpu_seconds.append(time.process_time() - cpu)
print(json.dumps({"version": torch.__version__, "seconds": seconds, "cpuSeconds": cpu_seconds}))
