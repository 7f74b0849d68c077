import json
import math

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def prepare(image, preparation):
    """A picture as the input of model.onnx: float32 [1, 3, height, width]."""
    width, height = preparation['width'], preparation['height']
    numbers = preparation['input']
    resize, resample = numbers['resize'], Image.Resampling[preparation['resample'].upper()]
    if preparation['autoOrient']:
        image = ImageOps.exif_transpose(image)
    image = image.convert('RGB')
    if resize['kind'] == 'exact':
        image = image.resize((width, height), resample)
    else:
        # The aspect is kept: the picture covers the sides before the cut, and its centre is taken.
        def uncut(side):
            return math.floor(side / resize['share']) if resize['kind'] == 'share' else math.floor(side * resize['shortSide'] / 224 + 0.5)

        (across, down), (w, h) = (uncut(width), uncut(height)), image.size
        if across * h >= down * w:
            whole = (across, max(height, across * h // w))
        else:
            whole = (max(width, down * w // h), down)
        left, top = round((whole[0] - width) / 2), round((whole[1] - height) / 2)
        image = image.resize(whole, resample).crop((left, top, left + width, top + height))
    pixels = np.asarray(image, np.float32)
    if numbers['channels'] == 'bgr':
        pixels = pixels[:, :, ::-1]
    pixels = (pixels / numbers['divisor'] - np.float32(numbers['mean'])) / np.float32(numbers['std'])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)


def predict(model, path):
    """The classes of a picture with their probabilities, likeliest first."""
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    described = session.get_modelmeta().custom_metadata_map
    image = prepare(Image.open(path), json.loads(described['layermill.preparation']))
    [probabilities] = session.run([described['layermill.probabilities']], {session.get_inputs()[0].name: image})[0]
    return sorted(zip(json.loads(described['layermill.classes']), probabilities.tolist()), key=lambda pair: -pair[1])
