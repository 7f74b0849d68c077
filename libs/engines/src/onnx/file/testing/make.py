"""Small networks of torchvision and timm as ONNX files, with the gradients that PyTorch computes.

python make.py FOLDER writes NAME.onnx and gradients.json. torch 2.13.0, torchvision 0.28.0, timm 1.0.29, transformers 5.18.0,
onnx 1.23.1.
Images are x[i] = ((i * 7919) % 1000) / 500 - 1, the head's weight is (((i * 104729) % 1000) / 500 - 1) / 5, its bias 0. The loss is the
sum of the cross entropies of three images of classes 0, 1, 2. Gradients are by the initializer of the file that has the parameter's numbers.
"""
import json, sys, warnings
import numpy as np, onnx, torch
from onnx import numpy_helper
from torch import nn
import torch.nn.functional as F

warnings.filterwarnings('ignore')
out = sys.argv[1]
CLASSES = 3


def fill(count, factor):
    return ((np.arange(count, dtype=np.int64) * factor) % 1000 / 500 - 1).astype(np.float32)


def squeezenet():
    from torchvision.models.squeezenet import Fire
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 4, 6, 6),
                         nn.MaxPool2d(3, 2, ceil_mode=True), Fire(12, 4, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(1)), 48


def mobilenet():
    from torchvision.models.mobilenetv3 import MobileNetV3, InvertedResidualConfig as C
    def c(i, k, e, o, se, act, s): return C(i, k, e, o, se, act, s, 1, 1)
    net = MobileNetV3([c(8, 3, 8, 8, True, 'RE', 2), c(8, 3, 24, 12, False, 'RE', 2), c(12, 5, 32, 12, True, 'HS', 1)], 48,
                      norm_layer=lambda channels, **_: nn.Identity())
    net.classifier = nn.Sequential(nn.Linear(96, 32), nn.Hardswish())
    return net, 48


def convnext():
    import timm
    net = timm.create_model('convnext_atto', depths=(1, 1, 1, 1), dims=(4, 6, 8, 12), num_classes=0, ls_init_value=0.5)
    return net, 64


def vit():
    from timm.models.vision_transformer import VisionTransformer
    return VisionTransformer(img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_classes=0, global_pool='token'), 32


def oldvit():
    from timm.layers import set_fused_attn
    set_fused_attn(False)
    made = vit()
    set_fused_attn(True)
    return made


def clip():
    from transformers import CLIPVisionConfig, CLIPVisionModel
    model = CLIPVisionModel(CLIPVisionConfig(image_size=28, patch_size=7, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2))
    class Pooled(nn.Module):
        def __init__(self): super().__init__(); self.vision = model
        def forward(self, x): return self.vision(x).pooler_output
    return Pooled(), 28


def parameters_of(model, net):
    names = {}
    for name, p in net.named_parameters():
        data = p.detach().numpy()
        for tensor in model.graph.initializer:
            other = numpy_helper.to_array(tensor)
            if other.dtype != np.float32 or other.size != data.size or other.size < 2: continue
            if other.shape == data.shape and np.array_equal(other, data): names[tensor.name] = (p, False)
            elif other.ndim == 2 and data.ndim == 2 and other.shape == data.T.shape and np.array_equal(other, data.T): names[tensor.name] = (p, True)
            elif np.array_equal(other.reshape(-1), data.reshape(-1)): names[tensor.name] = (p, False)
    return names


def write(name, make, dynamo, **options):
    torch.manual_seed(len(name))
    net, side = make()
    net.eval()
    with torch.no_grad():
        for p in net.parameters(): p.add_(torch.randn_like(p) * 0.05)
    x = torch.from_numpy(fill(3 * 3 * side * side, 7919).reshape(3, 3, side, side))
    path = f'{out}/{name}.onnx'
    if dynamo:
        torch.onnx.export(net, (x[:1],), path, dynamo=True, input_names=['input'], output_names=['features'], external_data=False, verbose=False, **options)
    else:
        torch.onnx.export(net, x[:1], path, dynamo=False, input_names=['input'], output_names=['features'],
                          dynamic_axes={'input': {0: 'batch'}, 'features': {0: 'batch'}}, **options)
    model = onnx.load(path)
    for node in model.graph.node:
        for entry in list(node.metadata_props):
            if entry.key != 'pkg.torch.onnx.name_scopes': node.metadata_props.remove(entry)
    del model.metadata_props[:]
    onnx.save(model, path)
    features = net(x)
    count = features.flatten(1).shape[1]
    weight = torch.from_numpy(fill(CLASSES * count, 104729).reshape(CLASSES, count) / 5).requires_grad_()
    bias = torch.zeros(CLASSES, requires_grad=True)
    logits = F.linear(features.flatten(1), weight, bias)
    loss = F.cross_entropy(logits, torch.arange(3), reduction='sum')
    loss.backward()
    gradients = {}
    def summary(g, transposed):
        g = (g.T if transposed else g).reshape(-1).double().numpy()
        step = max(1, len(g) // 8)
        return {'largest': float(np.abs(g).max()), 'samples': [[int(i), float(np.float32(g[i]))] for i in range(0, len(g), step)][:10]}
    for key, (p, transposed) in parameters_of(model, net).items():
        if p.grad is not None: gradients[key] = summary(p.grad, transposed)
    gradients['fc/W'], gradients['fc/b'] = summary(weight.grad, False), summary(bias.grad, False)
    return {'side': side, 'loss': float(loss), 'logits': [float(v) for v in logits.detach().reshape(-1)], 'gradients': gradients}


todo = {
    'squeezenet-torchscript': lambda: write('squeezenet-torchscript', squeezenet, False, opset_version=13),
    'mobilenet-v3-torchscript': lambda: write('mobilenet-v3-torchscript', mobilenet, False, opset_version=17),
    'convnext-dynamo': lambda: write('convnext-dynamo', convnext, True),
    'vit-dynamo': lambda: write('vit-dynamo', vit, True),
    'vit-opset11': lambda: write('vit-opset11', oldvit, False, opset_version=11),
    'clip-torchscript': lambda: write('clip-torchscript', clip, False, opset_version=17),
}
result = {}
for name, action in todo.items():
    result[name] = action()
json.dump(result, open(f'{out}/gradients.json', 'w'), separators=(',', ':'))
