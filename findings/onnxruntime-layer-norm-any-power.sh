#!/usr/bin/env bash
# ONNX Runtime 1.30.0: what looks like layer normalisation is joined to LayerNormalization without a look at the exponent of its Pow.
#
# Expected: the optimiser takes the pattern (x - mean) / sqrt(mean((x - mean) ^ 2) + epsilon) * a + b, and leaves one with another exponent
# alone, as it leaves an Erf with another constant than 1 / sqrt(2) when it looks for GELU.
# Seen: with an exponent of 4 the deviations are squared from ORT_ENABLE_BASIC on; without optimisation they are as the file says. An
# exponent of 2 keeps its numbers at each level.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.1 onnxruntime==1.30.0 numpy

cat >powers.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

levels = onnxruntime.GraphOptimizationLevel
x = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
factor, shift = np.arange(1, 9, dtype=np.float32), np.ones(8, np.float32)


def run(power, level):
    node = helper.make_node
    nodes = [
        node('ReduceMean', ['x', 'axes'], ['mean']),
        node('Sub', ['x', 'mean'], ['deviation']),
        node('Pow', ['deviation', 'power'], ['raised']),
        node('ReduceMean', ['raised', 'axes'], ['spread']),
        node('Add', ['spread', 'epsilon'], ['positive']),
        node('Sqrt', ['positive'], ['root']),
        node('Div', ['deviation', 'root'], ['normal']),
        node('Mul', ['normal', 'factor'], ['scaled']),
        node('Add', ['scaled', 'shift'], ['y']),
    ]
    constants = {'axes': np.array([-1]), 'power': np.float32(power), 'epsilon': np.float32(1e-5), 'factor': factor, 'shift': shift}
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape)
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, 'norm', [value('x')], [value('y')], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider']).run(None, {'x': x})[0]


def norm(power):
    deviation = x - x.mean(axis=1, keepdims=True)
    return deviation / np.sqrt((deviation ** power).mean(axis=1, keepdims=True) + 1e-5) * factor + shift


same = lambda a, b: bool(np.allclose(a, b, rtol=1e-3, atol=1e-3))
ok = not same(norm(2), norm(4))
for power in 2, 4:
    for level in 'ORT_DISABLE_ALL', 'ORT_ENABLE_BASIC', 'ORT_ENABLE_ALL':
        seen = run(power, getattr(levels, level))
        print(f'power {power}, {level}: as the file says {same(seen, norm(power))}, as with squares {same(seen, norm(2))}')
        ok &= same(seen, norm(power if level == 'ORT_DISABLE_ALL' else 2))
sys.exit(0 if ok else 1)
PY
venv/bin/python powers.py
