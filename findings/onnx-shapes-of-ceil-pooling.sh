#!/usr/bin/env bash
# onnx 1.23.1 and ONNX Runtime 1.30.0: poolings with `ceil_mode` below opset 22 have one row and column more by onnx's shape inference than
# the runtime computes, where the last window would begin behind the picture.
#
# Expected: one size: the operator's definition is the same in both, and the runtime takes a file with the inferred shapes.
# Seen: 7x7 pixels, windows of 2, steps of 2, one pixel of padding: shape inference says 5x5, the runtime gives 4x4, as PyTorch does, and so
# does shape inference for opset 22. A Reshape or Gemm that an exporter sizes by the inferred shape does not fit. A file that states the
# inferred shape runs, with a result of the other shape. Where the last window begins on the picture (8x8 pixels), all say 5x5.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.1 onnxruntime==1.30.0 numpy

cat >pool.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, shape_inference

onnxruntime.set_default_logger_severity(4)


def sides(op, opset, side):
    value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    node = helper.make_node(op, ['x'], ['pooled'], kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)
    same = helper.make_node('Neg', ['pooled'], ['y'])
    graph = helper.make_graph([node, same], 'pool', [value('x', [1, 1, side, side])], [value('y', [None] * 4)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=8)
    checker.check_model(model)
    named = shape_inference.infer_shapes(model, strict_mode=True)
    [inferred] = [info.type.tensor_type.shape.dim[3].dim_value for info in named.graph.value_info if info.name == 'pooled']
    session = onnxruntime.InferenceSession(named.SerializeToString(), providers=['CPUExecutionProvider'])
    result = session.run(None, {'x': np.ones((1, 1, side, side), np.float32)})[0]
    return inferred, result.shape[3]


ok = True
for op, opsets in [('MaxPool', [12, 22]), ('AveragePool', [11, 19, 22])]:
    for opset in opsets:
        for side in 7, 8:
            inferred, computed = sides(op, opset, side)
            print(f'{op}, opset {opset}, {side}x{side}: {inferred}x{inferred} inferred, {computed}x{computed} computed')
            ok &= computed == (4 if side == 7 else 5)
            ok &= inferred == (5 if side == 8 or opset < 22 else 4)
sys.exit(0 if ok else 1)
PY
venv/bin/python pool.py
