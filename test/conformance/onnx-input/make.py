"""Writes expected.json: what prepare.py, which docs/formats.md shows, makes of pictures. Needs numpy, onnxruntime and pillow (12.3)."""
import base64
import io
import json
import pathlib
import sys

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
from prepare import prepare  # noqa: E402

caffe = {'channels': 'bgr', 'divisor': 1, 'mean': [103.063, 115.903, 123.152], 'std': [1, 1, 1], 'resize': {'kind': 'exact'}}
torchvision = {'channels': 'rgb', 'divisor': 255, 'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], 'resize': {'kind': 'crop', 'shortSide': 256}}
timm = {**torchvision, 'resize': {'kind': 'share', 'share': 0.95}}
preparations = [
    {'width': 24, 'height': 20, 'resample': 'bicubic', 'autoOrient': False, 'input': caffe},
    {'width': 32, 'height': 32, 'resample': 'bilinear', 'autoOrient': False, 'input': torchvision},
    {'width': 30, 'height': 33, 'resample': 'bicubic', 'autoOrient': True, 'input': timm},
    {'width': 16, 'height': 16, 'resample': 'lanczos', 'autoOrient': True, 'input': torchvision},
    {'width': 21, 'height': 21, 'resample': 'nearest', 'autoOrient': False, 'input': timm},
]


def picture(width, height, seed, orientation=None):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 90 * np.sin(x / (3 + c) + c) * np.cos(y / (4 + c)) for c in range(3)]
    image = Image.fromarray(np.clip(np.stack(waves, 2) + random.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8))
    file = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image.save(file, 'PNG', exif=exif)
    return file.getvalue()


cases = []
for seed, (width, height, orientation) in enumerate([(61, 44, None), (37, 58, None), (50, 40, 6)]):
    file = picture(width, height, seed, orientation)
    tensors = []
    for preparation in preparations:
        tensor = prepare(Image.open(io.BytesIO(file)), preparation)
        flat = tensor.ravel()
        places = np.linspace(0, flat.size - 1, 40).astype(int)
        tensors.append({'shape': list(tensor.shape), 'sum': float(flat.sum(dtype=np.float64)), 'values': [[int(i), float(flat[i])] for i in places]})
    cases.append({'png': base64.b64encode(file).decode(), 'tensors': tensors})
(here / 'expected.json').write_text(json.dumps({'preparations': preparations, 'cases': cases}, indent=1) + '\n')
