#!/usr/bin/env bash
# ONNX Runtime 1.30.0: a Pad with zeros in front of a MaxPool is joined with it, and its zeros do not take part in the maximum any more.
#
# Expected: graph optimisations keep the numbers: a window of negative numbers at the border has the largest 0, from the padding.
# Seen: without optimisation (ORT_DISABLE_ALL) it is 0; at the default level (ORT_ENABLE_ALL), and already at ORT_ENABLE_BASIC, the border
# has the largest negative number, as MaxPool's own padding leaves it. An AveragePool behind the same Pad stays right at each level.
# Exporters write this pair where a framework pads by hand before a pooling (HGNetV2's stem does).
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnxruntime==1.30.0 onnx==1.23.1 numpy

cat >pad.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

levels = onnxruntime.GraphOptimizationLevel
images = -np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)


def pooled(op, level):
    nodes = [
        helper.make_node('Pad', ['x', 'pads', 'zero'], ['padded']),
        helper.make_node(op, ['padded'], ['y'], kernel_shape=[2, 2], strides=[1, 1]),
    ]
    constants = [
        numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64), 'pads'),
        numpy_helper.from_array(np.array(0, np.float32), 'zero'),
    ]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 3, 3])
    graph = helper.make_graph(nodes, 'pooling', [value('x')], [value('y')], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return session.run(None, {'x': images})[0][0, 0]


ok = True
for op in ['MaxPool', 'AveragePool']:
    plain = pooled(op, levels.ORT_DISABLE_ALL)
    for name in ['ORT_ENABLE_BASIC', 'ORT_ENABLE_ALL']:
        joined = pooled(op, getattr(levels, name))
        print(op, name, 'last column', joined[:, -1].tolist(), 'without optimisation', plain[:, -1].tolist())
        same = bool(np.array_equal(plain, joined))
        ok &= same == (op == 'AveragePool')
    if op == 'MaxPool':
        ok &= plain[:, -1].tolist() == [0, 0, 0] and (joined[:, -1] < 0).any()
sys.exit(0 if ok else 1)
PY
venv/bin/python pad.py
