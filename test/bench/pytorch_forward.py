"""Images per second of a forward pass in PyTorch, eager and channels-last, for `npm run bench -- forward`. Prints JSON.

The networks are those of libs/models with random weights: only the arithmetic counts.
"""
import json
import sys
import time

import torch
from torch import nn


def bottleneck(inputs, inner, stride):
    outputs = inner * 4
    body = nn.Sequential(
        nn.Conv2d(inputs, inner, 1, stride, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True),
        nn.Conv2d(inner, inner, 3, 1, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True),
        nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    projected = inputs != outputs or stride != 1
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if projected else nn.Identity()
    return Residual(body, shortcut)


class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return torch.relu_(self.body(x) + self.shortcut(x))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)]
    channels = 64
    for stage, blocks in enumerate([3, 4, 6, 3]):
        for block in range(blocks):
            layers.append(bottleneck(channels, 64 << stage, 2 if stage > 0 and block == 0 else 1))
            channels = (64 << stage) * 4
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def vgg16():
    layers, channels = [], 3
    for outputs, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(count):
            layers += [nn.Conv2d(channels, outputs, 3, 1, 1), nn.ReLU(inplace=True)]
            channels = outputs
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096), nn.ReLU(inplace=True))


class Inception(nn.Module):
    def __init__(self, inputs, one, reduce3, three, reduce5, five, pool):
        super().__init__()
        relu = nn.ReLU(inplace=True)
        self.branches = nn.ModuleList([
            nn.Sequential(nn.Conv2d(inputs, one, 1), relu),
            nn.Sequential(nn.Conv2d(inputs, reduce3, 1), relu, nn.Conv2d(reduce3, three, 3, 1, 1), relu),
            nn.Sequential(nn.Conv2d(inputs, reduce5, 1), relu, nn.Conv2d(reduce5, five, 5, 1, 2), relu),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(inputs, pool, 1), relu)])

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def googlenet():
    relu, norm = nn.ReLU(inplace=True), nn.LocalResponseNorm(5)
    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3), relu, pool(), norm, nn.Conv2d(64, 64, 1), relu, nn.Conv2d(64, 192, 3, 1, 1), relu, norm, pool(),
        Inception(192, 64, 96, 128, 16, 32, 32), Inception(256, 128, 128, 192, 32, 96, 64), pool(),
        Inception(480, 192, 96, 208, 16, 48, 64), Inception(512, 160, 112, 224, 24, 64, 64), Inception(512, 128, 128, 256, 24, 64, 64),
        Inception(512, 112, 144, 288, 32, 64, 64), Inception(528, 256, 160, 320, 32, 128, 128), pool(),
        Inception(832, 256, 160, 320, 32, 128, 128), Inception(832, 384, 192, 384, 48, 128, 128), nn.AvgPool2d(7, 1))


def rate(model, images, rounds):
    with torch.inference_mode():
        for _ in range(2):
            model(images)
        start = time.perf_counter()
        for _ in range(rounds):
            model(images)
        return images.shape[0] * rounds / (time.perf_counter() - start)


if __name__ == "__main__":
    name, batch, rounds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    network = {"vgg16": vgg16, "resnet50": resnet50, "googlenet": googlenet}[name]().eval()
    pictures = torch.randn(batch, 3, 224, 224)
    eager = rate(network, pictures, rounds)
    last = rate(network.to(memory_format=torch.channels_last), pictures.to(memory_format=torch.channels_last), rounds)
    print(json.dumps({"version": torch.__version__, "eager": eager, "channelsLast": last}))
