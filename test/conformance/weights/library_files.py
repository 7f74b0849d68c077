"""Writes the weight files beside this script with the libraries that people save them with, and what those libraries compute.

    python library_files.py FOLDER torch; python library_files.py FOLDER keras; node library-files.mjs FOLDER

Needs keras 3.15, torch 2.13, torchvision 0.28, timm 1.0.29, transformers 5.18.
Every tensor repeats 127 numbers of its own, so that the files are as the libraries write them and still small when compressed.
"""
import json
import os
import sys
import zlib

os.environ['KERAS_BACKEND'] = 'torch'
OUT = sys.argv[1]
import numpy as np
import torch

PERIOD = 127
SIZE = 64
values = {}


def numbers(key, shape, low, high):
    cycle = np.random.default_rng(zlib.crc32(key.encode())).uniform(low, high, PERIOD)
    return np.resize(cycle, shape).astype(np.float32)


def tensor(key, shape, fan_in):
    if len(shape) >= 2:
        scale = (6 / fan_in) ** 0.5
        return numbers(key, shape, -scale, scale)
    if key.endswith(('running_var', 'moving_variance', 'weight', 'gamma')):
        small = 0.1 if key.endswith(('weight', 'gamma')) and any(part in key for part in ('bn3', '3_bn', 'layer.2.normalization')) else 1
        return small * numbers(key, shape, 0.5, 1.5)
    return numbers(key, shape, -0.1, 0.1)


def picture():
    """[3, 64, 64]: what the tests compute in the same way."""
    i = np.arange(3 * SIZE * SIZE, dtype=np.int64)
    return (((i * 7919) % 2003) / 1001.5 - 1).astype(np.float32).reshape(3, SIZE, SIZE)


def summary(array):
    flat = np.ascontiguousarray(array, dtype=np.float64).reshape(-1)
    largest = np.argsort(-np.abs(flat), kind='stable')[:16]
    places = sorted({int(k * 104729) % flat.size for k in range(32)} | {int(place) for place in largest})
    return {'shape': list(array.shape), 'absMax': float(np.abs(flat).max()), 'samples': [[p, float(np.float32(flat[p]))] for p in places]}


def record(name, layers):
    values[name] = {layer: summary(np.asarray(array)) for layer, array in layers.items()}


# --- torch ---

def fill(module):
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                fan = int(np.prod(value.shape[1:])) if value.ndim > 1 else 1
                value.copy_(torch.from_numpy(tensor(key, tuple(value.shape), fan)))
    return module.eval()


def outputs(model, hooks):
    found = {}
    handles = [module.register_forward_hook(lambda m, i, o, layer=layer: found.__setitem__(layer, o)) for layer, module in hooks.items()]
    with torch.no_grad():
        result = model(torch.from_numpy(picture())[None])
    for handle in handles:
        handle.remove()
    return {layer: value.flatten(1).numpy() if layer == 'pool5' else value.numpy() for layer, value in found.items()}, result


def torch_files():
    lib = torch.library.Library('torchvision', 'DEF')
    for name in ('nms', 'qnms'):
        try:
            lib.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
        except RuntimeError:
            pass
    import timm
    import torchvision
    from safetensors.torch import save_file
    from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

    def save(module, name):
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, f'{OUT}/{name}')

    model = fill(torchvision.models.resnet50(num_classes=10))
    parallel = torch.nn.DataParallel(model)
    save(parallel, 'torchvision-parallel.safetensors')
    layers, result = outputs(model, {'res2': model.layer1, 'res5': model.layer4, 'pool5': model.avgpool})
    record('torchvision-parallel.safetensors', {**layers, 'fc6': result.numpy()})

    body = torch.nn.Sequential(*list(model.children())[:-1])
    save(body, 'torch-children.safetensors')
    record('torch-children.safetensors', layers)

    model.fc = torch.nn.Sequential(torch.nn.Linear(2048, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    fill(model)
    save(model, 'torchvision-two-layers.safetensors')
    layers, _ = outputs(model, {'res2': model.layer1, 'pool5': model.avgpool})
    record('torchvision-two-layers.safetensors', layers)

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = timm.create_model('resnet50', pretrained=False, num_classes=0)
            self.head = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(2048, 6))

        def forward(self, x):
            return self.head(self.backbone(x))

    timm_model = fill(Classifier())
    save(timm_model, 'timm-backbone.safetensors')
    layers, result = outputs(timm_model, {'res2': timm_model.backbone.layer1, 'pool5': timm_model.backbone.global_pool})
    record('timm-backbone.safetensors', {**layers, 'fc6': result.numpy()})

    google = fill(torchvision.models.googlenet(weights=None, num_classes=8, aux_logits=False, init_weights=False))
    save(torch.compile(google), 'torchvision-googlenet.safetensors')
    layers, result = outputs(google, {'inception_3a': google.inception3a, 'inception_5b': google.inception5b, 'pool5': google.avgpool})
    record('torchvision-googlenet.safetensors', {**layers, 'loss3_fc': result.numpy()})

    config = ResNetConfig(num_labels=4, id2label={0: 'cat', 1: 'dog', 2: 'hen', 3: 'cow'}, label2id={'cat': 0, 'dog': 1, 'hen': 2, 'cow': 3})
    hub = fill(ResNetForImageClassification(config))
    hub.save_pretrained(f'{OUT}/hub')
    os.replace(f'{OUT}/hub/model.safetensors', f'{OUT}/transformers.safetensors')
    layers, result = outputs(hub, {'res2': hub.resnet.encoder.stages[0], 'pool5': hub.resnet.pooler})
    record('transformers.safetensors', {**layers, 'fc6': result.logits.numpy()})
    base = ResNetModel(config)
    base.load_state_dict(hub.resnet.state_dict())
    base.save_pretrained(f'{OUT}/hub')
    os.replace(f'{OUT}/hub/model.safetensors', f'{OUT}/transformers-base.safetensors')
    record('transformers-base.safetensors', layers)


# --- keras ---

def fill_keras(model):
    for weight in model.weights:
        shape = tuple(weight.shape)
        if str(weight.dtype) != 'float32' or len(shape) == 0:
            continue
        fan = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
        layer = weight.path.split('/')[-2] + '/' + weight.path.split('/')[-1]
        weight.assign(tensor(layer, shape, fan))
    return model


def keras_outputs(model, base, names, result=None):
    import keras
    x = picture().transpose(1, 2, 0)[None]
    probe = keras.Model(base.input, [base.get_layer(layer).output for layer in names.values()])
    found = {}
    for layer, array in zip(names, probe(x)):
        array = keras.ops.convert_to_numpy(array)
        found[layer] = array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
    if result is not None:
        found[result] = keras.ops.convert_to_numpy(model(x))
    return found


def keras_files():
    import h5py
    import keras
    from keras import layers
    shape = (SIZE, SIZE, 3)
    features = {'res2': 'conv2_block3_out', 'res5': 'conv5_block3_out'}

    base = keras.applications.ResNet50(weights=None, include_top=False, input_shape=shape)
    nested = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(5, activation='softmax')])
    nested.compile('adam', 'sparse_categorical_crossentropy')
    nested.fit(np.zeros((2, *shape), np.float32), np.zeros(2), verbose=0)
    fill_keras(nested)
    nested.save(f'{OUT}/keras-nested.keras')
    found = keras_outputs(nested, base, features, 'prob')
    record('keras-nested.keras', found)

    # Earlier versions kept no names of layers beside the variables.
    nested.save_weights(f'{OUT}/keras-unnamed.weights.h5')
    with h5py.File(f'{OUT}/keras-unnamed.weights.h5', 'r+') as file:
        file.visititems(lambda _, group: group.attrs.pop('name', None) and None)
    record('keras-unnamed.weights.h5', found)

    base.save_weights(f'{OUT}/keras-base.weights.h5')
    record('keras-base.weights.h5', {k: v for k, v in found.items() if k != 'prob'})

    base2 = keras.applications.ResNet50(weights=None, include_top=False, input_shape=shape)
    flat = keras.Model(base2.input, layers.Dense(7, name='animals')(layers.GlobalAveragePooling2D()(base2.output)))
    fill_keras(flat)
    flat.save(f'{OUT}/keras-flat.h5')
    record('keras-flat.h5', keras_outputs(flat, flat, {**features, 'pool5': flat.layers[-2].name}, 'fc6'))

    whole = fill_keras(keras.applications.ResNet50(weights=None, classes=11))
    whole.save(f'{OUT}/keras-whole.h5')
    same = keras.applications.ResNet50(weights=None, include_top=False, pooling='avg', input_shape=shape)
    for layer in same.layers:
        layer.set_weights(whole.get_layer(layer.name).get_weights() if layer.weights else [])
    pooled = same(picture().transpose(1, 2, 0)[None])
    record('keras-whole.h5', {**keras_outputs(same, same, features), 'prob': keras.ops.convert_to_numpy(whole.get_layer('predictions')(pooled))})

    vgg = keras.applications.VGG16(weights=None, include_top=False, input_shape=shape)
    small = keras.Sequential([vgg, layers.GlobalAveragePooling2D(), layers.Dense(3)])
    fill_keras(small)
    small.save(f'{OUT}/keras-vgg16.keras')
    record('keras-vgg16.keras', keras_outputs(vgg, vgg, {'conv2_2': 'block2_conv2', 'pool5': 'block5_pool'}))


{'torch': torch_files, 'keras': keras_files}[sys.argv[2]]()
path = f'{OUT}/values.json'
known = json.load(open(path)) if os.path.exists(path) else {}
with open(path, 'w') as file:
    json.dump({**known, **values}, file, separators=(',', ':'))
