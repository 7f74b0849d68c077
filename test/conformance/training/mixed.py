"""Loss, gradients and scores of three heads on one linear layer, by PyTorch in float64: cross entropy with class weights, binary cross
entropy with positive weights, squared error, each a mean over the rows that have a value, times a factor.

    python test/conformance/training/mixed.py > test/conformance/training/mixed.json    # torch 2.13
"""

import json

import torch
import torch.nn.functional as F

rows, features, outputs = 6, 4, 6
x = torch.tensor([[((7 * i + 3 * j) % 11 - 5) / 8 for j in range(features)] for i in range(rows)], dtype=torch.float64)
weight = torch.tensor([[((5 * i + 2 * j) % 7 - 3) / 4 for j in range(features)] for i in range(outputs)], dtype=torch.float64, requires_grad=True)
bias = torch.tensor([(3 * i % 5 - 2) / 4 for i in range(outputs)], dtype=torch.float64, requires_grad=True)

species = [0, None, 2, 1, None, 2]
tags = [[1, 0], [0, 0], None, [1, 1], [0, 1], None]
weight_kg = [0.5, None, None, -1.25, None, 2.0]
factors = [1.0, 2.0, 0.5]

scores = F.linear(x, weight, bias)


def having(values):
    kept = [i for i, value in enumerate(values) if value is not None]
    return kept, [values[i] for i in kept]


kept, values = having(species)
class_weights = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
# Chainer's mean: over the images, not over the weights.
ce = F.cross_entropy(scores[kept, 0:3], torch.tensor(values), weight=class_weights, reduction='none').mean()
kept, values = having(tags)
bce = F.binary_cross_entropy_with_logits(
    scores[kept, 3:5], torch.tensor(values, dtype=torch.float64), pos_weight=torch.tensor([1.5, 0.75], dtype=torch.float64)
)
kept, values = having(weight_kg)
mse = F.mse_loss(scores[kept, 5], torch.tensor(values, dtype=torch.float64))
loss = factors[0] * ce + factors[1] * bce + factors[2] * mse
loss.backward()
print(
    json.dumps(
        {
            'losses': [ce.item(), bce.item(), mse.item()],
            'loss': loss.item(),
            'scores': scores.detach().flatten().tolist(),
            'weight': weight.grad.flatten().tolist(),
            'bias': bias.grad.tolist(),
        },
        indent=2,
    )
)
