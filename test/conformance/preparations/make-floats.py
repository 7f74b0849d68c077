"""Makes floats.json: processors of transformers that resize floats, and what they make of pictures.

Written with torch 2.13.0, torchvision 0.28.0, transformers 5.18.0 and Pillow 12.3.0:
    python make-floats.py ../prepare/images > floats.json
"""
import json, sys
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import DINOv3ViTImageProcessor

pictures = Path(sys.argv[1])
FILES = {
    'silent': {},
    'size': {'size': {'height': 161, 'width': 96}},
    'bicubic': {'size': {'height': 256, 'width': 224}, 'resample': 3},
    'nearest': {'resample': 0, 'size': {'height': 90, 'width': 91}},
    'levels': {'do_rescale': False, 'do_normalize': False, 'size': {'height': 100, 'width': 120}},
    'crop': {'size': {'shortest_edge': 120}, 'do_center_crop': True, 'crop_size': {'height': 97, 'width': 111}},
    'crop-larger': {'size': {'shortest_edge': 64}, 'do_center_crop': True, 'crop_size': {'height': 131, 'width': 80}},
    'aspect': {'size': {'shortest_edge': 70, 'longest_edge': 100}, 'do_normalize': False},
    'odd-factor': {'rescale_factor': 0.0037, 'size': {'height': 50, 'width': 60}},
}


def summary(values):
    flat = values.ravel()
    places = np.unique(np.linspace(0, flat.size - 1, 97).astype(int))
    return {'shape': list(values.shape), 'sum': float(flat.astype(np.float64).sum()), 'squares': float((flat.astype(np.float64) ** 2).sum()),
            'samples': [[int(i), float(flat[i])] for i in places]}


def cases():
    for name, fields in FILES.items():
        processor = DINOv3ViTImageProcessor(**fields)
        found = {}
        for file in ['landscape.jpg', 'tiny.png', 'wide-strip.png', 'gray.png', 'one-pixel.png']:
            image = Image.open(pictures / file).convert('RGB')
            found[file] = summary(processor(image, return_tensors='np')['pixel_values'][0])
        yield {'name': name, 'file': {'image_processor_type': 'DINOv3ViTImageProcessor', **fields}, 'pictures': found}


json.dump(list(cases()), sys.stdout, separators=(',', ':'))
