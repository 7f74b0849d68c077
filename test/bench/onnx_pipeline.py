"""A folder of JPEGs through an ONNX file in onnxruntime, for `npm run bench -- onnx`. Prints JSON.

As people write it: one process, Pillow decodes, resizes and crops, numpy normalises, batches of 8. Needs onnxruntime, numpy and Pillow.
"""
import json
import os
import resource
import sys

import numpy as np
import onnxruntime
from PIL import Image

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def prepared(path):
    image = Image.open(path).convert('RGB')
    scale = 256 / min(image.size)
    image = image.resize([int(side * scale) for side in image.size], Image.BILINEAR)
    left, top = [round((side - 224) / 2) for side in image.size]
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


def main(model, folder, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    paths = [os.path.join(folder, file) for file in sorted(os.listdir(folder))]
    rows = []
    for start in range(0, len(paths), 8):
        batch = np.stack([prepared(path) for path in paths[start:start + 8]])
        rows.append(session.run(None, {name: batch})[0])
    np.save(os.devnull, np.concatenate(rows))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({'cpuSeconds': used.ru_utime + used.ru_stime, 'peakBytes': used.ru_maxrss * 1024}))


if __name__ == '__main__':
    main(*sys.argv[1:])
