"""Makes the values beside this file: pictures as Keras, torchvision and timm prepare them, and activations of Keras's and timm's networks.

Python 3.11 with keras 3.15.1 (KERAS_BACKEND=torch), torch 2.13.0, torchvision 0.28.0, timm 1.0.29, pillow 12.3.0:
    python make.py IMAGES
Weights follow the rule of libs/models/src/reference.ts, so none is stored.
"""
import json
import math
import os
import sys

os.environ.setdefault('KERAS_BACKEND', 'torch')
import keras
import numpy as np
import PIL
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg

IMAGES = sys.argv[1]
SEED = 'golden-1'
PICTURES = ['landscape.jpg', 'portrait-progressive.jpg', 'noise.png', 'small-upscaled.png']
RESNETS = {'resnet50': [3, 4, 6, 3], 'resnet101': [3, 4, 23, 3], 'resnet152': [3, 8, 36, 3]}
VGGS = {'vgg16': [2, 2, 3, 3, 3], 'vgg19': [2, 2, 4, 4, 4]}


def fnv1a32(text):
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def uniform(name, count):
    with np.errstate(over='ignore'):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(fnv1a32(name))
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 4294967296


def values(name, shape, kind, scale=0.0):
    u = uniform(name, math.prod(shape))
    made = (2 * u - 1) * scale if kind == 'symmetric' else (0.5 + u) * scale
    return made.astype(np.float32).reshape(shape)


def he(shape):
    return math.sqrt(6 / math.prod(shape[1:]))


def chainer(parameter, shape):
    kind = parameter.rsplit('/', 1)[1]
    name = f'{SEED}:{parameter}'
    if kind == 'W':
        return values(name, shape, 'symmetric', he(shape) / (64 if parameter in ('conv1_1/W', 'conv1/W') else 1))
    if kind == 'gamma':
        return values(name, shape, 'around', 0.1 if parameter.endswith('bn3/gamma') else 1.0)
    if kind == 'avg_var':
        return values(name, shape, 'around', 1.0)
    return values(name, shape, 'symmetric', 0.05 if kind == 'b' else 0.1)


def torchvision_values(key, shape):
    kind = key.rsplit('.', 1)[1]
    name = f'{SEED}:torchvision:{key}'
    if kind == 'weight':
        if len(shape) > 1:
            return values(name, shape, 'symmetric', he(shape))
        return values(name, shape, 'around', 0.1 if key.endswith('bn3.weight') else 1.0)
    if kind == 'running_var':
        return values(name, shape, 'around', 1.0)
    return values(name, shape, 'symmetric', 0.05 if kind == 'bias' else 0.1)


def summary(array, key):
    data = np.ascontiguousarray(array, dtype=np.float32).reshape(-1)
    chosen = sorted(set((uniform(f'samples:{key}', 40) * data.size).astype(int).tolist()))
    return {
        'shape': list(array.shape), 'mean': float(data.mean(dtype=np.float64)), 'std': float(data.std(dtype=np.float64)),
        'absMax': float(np.abs(data).max()), 'samples': [[i, float(data[i])] for i in chosen],
    }


def write(name, content):
    with open(os.path.join(os.path.dirname(__file__), f'{name}.json'), 'w') as file:
        file.write(json.dumps(content, separators=(',', ':')).replace('},"', '},\n"') + '\n')


def keras_input(path, preprocess, interpolation='bicubic'):
    loaded = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(224, 224), interpolation=interpolation))
    return preprocess(loaded[None])


def nchw(array):
    return np.moveaxis(np.asarray(array), -1, 1) if array.ndim == 4 else np.asarray(array)


def prepared():
    found = {}
    modules = {'vgg16': keras.applications.vgg16, 'vgg19': keras.applications.vgg19, 'resnet50': keras.applications.resnet}
    presets = {
        ('resnet50', 'torchvision'): torchvision.models.ResNet50_Weights.IMAGENET1K_V1, ('resnet50', 'torchvision-v2'): torchvision.models.ResNet50_Weights.IMAGENET1K_V2,
        ('resnet101', 'torchvision-v2'): torchvision.models.ResNet101_Weights.IMAGENET1K_V2, ('resnet152', 'torchvision-v2'): torchvision.models.ResNet152_Weights.IMAGENET1K_V2,
        ('vgg19', 'torchvision'): torchvision.models.VGG19_Weights.IMAGENET1K_V1, ('googlenet', 'torchvision-plain'): torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1,
    }
    tags = sorted(name for model in (*RESNETS, *VGGS) for name in timm.list_models(f'{model}.*', pretrained=True) + timm.list_pretrained(model) if name.startswith(f'{model}.'))
    for picture in PICTURES:
        path = os.path.join(IMAGES, picture)
        image = Image.open(path).convert('RGB')
        for model, module in modules.items():
            found[f'{picture} {model} keras'] = summary(nchw(keras_input(path, module.preprocess_input)), picture)
        for (model, name), weights in presets.items():
            found[f'{picture} {model} {name}'] = summary(weights.transforms()(image)[None].numpy(), picture)
        for name in dict.fromkeys(tags):
            model, tag = name.split('.', 1)
            transform = create_transform(**resolve_data_config({}, pretrained_cfg=get_pretrained_cfg(name).to_dict()))
            found[f'{picture} {model} timm:{tag}'] = summary(transform(image)[None].numpy(), picture)
    write('prepared', {'oracle': f'keras {keras.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}, pillow {PIL.__version__}', 'inputs': found})


def set_keras(model, names):
    """`names`: layer to (link of the convolution, or of the batch norm)."""
    for layer in model.layers:
        weights = layer.get_weights()
        if not weights:
            continue
        link = names(layer.name)
        if 'bn' in layer.name:
            layer.set_weights([chainer(f'{link}/{kind}', w.shape) for kind, w in zip(('gamma', 'beta', 'avg_mean', 'avg_var'), weights)])
            continue
        kernel = weights[0]
        if kernel.ndim == 4:
            made = chainer(f'{link}/W', (kernel.shape[3], kernel.shape[2], *kernel.shape[:2])).transpose(2, 3, 1, 0)
        elif link == 'fc6' and kernel.shape[0] == 512 * 49:
            made = chainer('fc6/W', (kernel.shape[1], kernel.shape[0])).reshape(-1, 512, 7, 7).transpose(2, 3, 1, 0).reshape(kernel.shape)
        else:
            made = chainer(f'{link}/W', (kernel.shape[1], kernel.shape[0])).T
        # Only the stem's convolution has a bias in the caffe family.
        has_bias = link in ('conv1', 'fc6') or not model.name.startswith('resnet')
        layer.set_weights([made, chainer(f'{link}/b', weights[1].shape) if has_bias else np.zeros_like(weights[1])])


def resnet_link(name):
    if name in ('conv1_conv', 'conv1_bn'):
        return 'conv1' if name == 'conv1_conv' else 'bn1'
    if name in ('probs', 'predictions'):
        return 'fc6'
    stage, block, number, kind = name.replace('conv', '', 1).split('_')
    block = int(block.replace('block', '')) - 1
    return f'res{stage}/{"a" if block == 0 else f"b{block}"}/{kind}{4 if number == "0" else number}'


def vgg_link(name):
    if name.startswith('block'):
        return name.replace('block', 'conv').replace('_conv', '_')
    return {'fc1': 'fc6', 'fc2': 'fc7', 'predictions': 'fc8'}[name]


def keras_networks():
    for name, counts in (RESNETS | VGGS).items():
        resnet = name in RESNETS
        module = keras.applications.resnet if resnet else getattr(keras.applications, name)
        model = {'resnet50': 'ResNet50', 'resnet101': 'ResNet101', 'resnet152': 'ResNet152', 'vgg16': 'VGG16', 'vgg19': 'VGG19'}[name]
        network = getattr(module, model)(weights=None)
        set_keras(network, resnet_link if resnet else vgg_link)
        if resnet:
            layers = {'conv1': 'conv1_relu', 'pool1': 'pool1_pool', 'pool5': 'avg_pool', 'prob': network.layers[-1].name}
            layers |= {f'res{i + 2}': f'conv{i + 2}_block{count}_out' for i, count in enumerate(counts)}
        else:
            layers = {f'pool{i + 1}': f'block{i + 1}_pool' for i in range(5)} | {f'conv{i + 1}_{count}': f'block{i + 1}_conv{count}' for i, count in enumerate(counts)}
            layers |= {'fc6': 'fc1', 'fc7': 'fc2', 'prob': 'predictions'}
        given = keras_input(os.path.join(IMAGES, PICTURES[0]), module.preprocess_input)
        inner = keras.Model(network.input, {ours: network.get_layer(theirs).output for ours, theirs in layers.items()})
        result = inner.predict(given, verbose=0)
        write(f'keras-{name}', {
            'oracle': f'keras {keras.__version__}', 'seed': SEED, 'picture': PICTURES[0], 'prepare': 'keras',
            'layers': {layer: summary(nchw(array), layer) for layer, array in result.items()},
        })
        print('keras', name, flush=True)


def timm_networks():
    for name in (*RESNETS, *VGGS):
        resnet = name in RESNETS
        tag = 'a1_in1k' if resnet else 'tv_in1k'
        network = timm.create_model(f'{name}.{tag}', pretrained=False).eval()
        rename = {'pre_logits.fc1': 'classifier.0', 'pre_logits.fc2': 'classifier.3', 'head.fc': 'classifier.6'}
        state = {}
        for key, tensor in network.state_dict().items():
            if key.endswith('num_batches_tracked'):
                state[key] = tensor
                continue
            module, kind = key.rsplit('.', 1)
            linear = rename.get(module)
            shape = tuple(tensor.shape) if linear is None or kind == 'bias' else (tensor.shape[0], math.prod(tensor.shape[1:]))
            state[key] = torch.from_numpy(torchvision_values(f'{linear or module}.{kind}', shape).reshape(tuple(tensor.shape)))
        network.load_state_dict(state)
        if resnet:
            layers = {'conv1': 'act1', 'pool1': 'maxpool', 'res2': 'layer1', 'res3': 'layer2', 'res4': 'layer3', 'res5': 'layer4', 'pool5': 'global_pool', 'fc6': 'fc'}
        else:
            pools = [i for i, module in enumerate(network.features) if isinstance(module, torch.nn.MaxPool2d)]
            layers = {f'pool{i + 1}': f'features.{index}' for i, index in enumerate(pools)} | {'fc6': 'pre_logits.act1', 'fc7': 'pre_logits.act2', 'fc8': 'head.fc'}
        result = {}
        for ours, theirs in layers.items():
            network.get_submodule(theirs).register_forward_hook(lambda _m, _i, output, ours=ours: result.__setitem__(ours, output.clone()))
        transform = create_transform(**resolve_data_config({}, pretrained_cfg=get_pretrained_cfg(f'{name}.{tag}').to_dict()))
        with torch.no_grad():
            scores = network(transform(Image.open(os.path.join(IMAGES, PICTURES[0])).convert('RGB'))[None])
            result['prob'] = torch.softmax(scores, 1)
        write(f'timm-{name}', {
            'oracle': f'timm {timm.__version__}, torch {torch.__version__}', 'seed': SEED, 'picture': PICTURES[0], 'prepare': f'timm:{tag}',
            'layers': {layer: summary(array.flatten(1).numpy() if layer in ('fc6', 'fc7', 'fc8') else array.numpy(), layer) for layer, array in result.items()},
        })
        print('timm', name, flush=True)


prepared()
print('prepared', flush=True)
timm_networks()
keras_networks()
