#!/usr/bin/env bash
# ONNX Runtime 1.30.0: a linear Resize of uint8 pictures rounds down, unless it smooths (`antialias`), and its numbers depend on the layout.
#
# Expected: the float result rounded to the nearest whole number, as Resize with `antialias: 1` has it, and the same pixels for
# channels-first and channels-last.
# Seen: without `antialias` a channels-first picture has the float result without its fraction, so pictures become darker by half a level; 0
# and 255 in the middle are 127. Channels-last, at scales that are no multiples of a half, a few of a hundred pixels are one level lower
# than channels-first. The optimiser moves a Transpose over such a Resize (from ORT_ENABLE_EXTENDED on), which changes the picture.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.1 onnxruntime==1.30.0 numpy

cat >resize.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import checker, helper, numpy_helper


def resize(images, scales, level='ORT_ENABLE_ALL', turned=False, **attributes):
    kind = helper.np_dtype_to_tensor_dtype(images.dtype)
    value = lambda name, dims: helper.make_tensor_value_info(name, kind, dims)
    constants = [numpy_helper.from_array(np.array(scales, np.float32), 'scales')]
    turn = lambda start, end, perm: helper.make_node('Transpose', [start], [end], perm=perm)
    names = ('last', 'larger') if turned else ('x', 'y')
    nodes = [helper.make_node('Resize', [names[0], '', 'scales'], [names[1]], mode='linear', **attributes)]
    if turned:
        nodes = [turn('x', 'last', [0, 2, 3, 1]), *nodes, turn('larger', 'y', [0, 3, 1, 2])]
    graph = helper.make_graph(nodes, 'resize', [value('x', images.shape)], [value('y', [None] * 4)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return session.run(None, {'x': images})[0]


first = np.random.default_rng(0).integers(0, 256, (1, 3, 61, 83), dtype=np.uint8)
last = np.ascontiguousarray(first.transpose(0, 2, 3, 1))
share = lambda a, b: float((a == b).mean())
ok = True
for high, wide in [(2, 2), (1.7, 1.3)]:
    exact = resize(first.astype(np.float32), [1, 1, high, wide])
    whole = resize(first, [1, 1, high, wide])
    other = resize(last, [1, high, wide, 1]).transpose(0, 3, 1, 2)
    print(f'scales {high}, {wide}: {share(whole, np.floor(exact)):.3f} of the numbers are rounded down,',
          f'{share(whole, np.round(exact)):.3f} to the nearest; mean {float(whole.mean() - exact.mean()):+.2f};',
          f'{share(whole, other):.3f} are the same channels-last')
    ok &= share(whole, np.floor(exact)) > 0.99 and share(whole, np.round(exact)) < 0.7
    ok &= (share(whole, other) == 1) == (high == 2)
    ok &= int(np.abs(whole.astype(int) - other.astype(int)).max()) <= 1
smoothed = resize(first, [1, 1, 0.4, 0.4], antialias=1)
exact = resize(first.astype(np.float32), [1, 1, 0.4, 0.4], antialias=1)
print(f'smoothed: {float(smoothed.mean() - exact.mean()):+.2f}')
ok &= abs(float(smoothed.mean() - exact.mean())) < 0.1
plain, moved = (resize(first, [1, 1.7, 1.3, 1], level, turned=True) for level in ['ORT_DISABLE_ALL', 'ORT_ENABLE_EXTENDED'])
print(f'between two transposes: {share(plain, moved):.3f} of the numbers are the same without optimisation')
ok &= 0.9 < share(plain, moved) < 1
middle = resize(np.array([[[[0, 255]]]], np.uint8), [1, 1, 1, 1.5], coordinate_transformation_mode='align_corners').ravel().tolist()
print('0 and 255 as three numbers', middle)
ok &= middle == [0, 127, 255]
sys.exit(0 if ok else 1)
PY
venv/bin/python resize.py
