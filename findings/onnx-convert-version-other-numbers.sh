#!/usr/bin/env bash
# onnx 1.23.1: version_converter.convert_version changes what three operators compute, without an error, and the checker takes the results.
#
# Expected: a conversion that keeps the numbers, or one that says that it cannot, as it does for other operators (Gelu from 20 to 19).
# Seen: a linear Resize of opset 10, which is asymmetric, has no coordinate_transformation_mode behind the step to 11 and is half_pixel
# there; an Upsample of opset 9 goes the same way (nearest ones stay right). A Softmax or LogSoftmax of opset 13 over an axis that is not
# the last keeps the number of its axis on the way to 12, where it means that axis and all behind it: the sums over channels become 1/20 in
# a picture of 4x5. From 11 to 13 Softmax is right, but Hardmax is not.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.1 onnxruntime==1.30.0 numpy

cat >convert.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, version_converter

x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'scales')


def run(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(None, {'x': x})[0]


def kept(op, opset, to, inputs=(), **attributes):
    value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph = helper.make_graph(
        [helper.make_node(op, ['x', *inputs], ['y'], **attributes)],
        'graph', [value('x', x.shape)], [value('y', [None] * 4)], [scales] if inputs else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=8)
    checker.check_model(model, full_check=True)
    converted = version_converter.convert_version(model, to)
    checker.check_model(converted, full_check=True)
    before, after = run(model), run(converted)
    most = float(np.abs(before - after).max())
    print(f'{op} {attributes} from {opset} to {to}: largest difference {most:.3g}')
    return bool(np.allclose(before, after, atol=1e-6))


resized = [kept(op, opset, 13, ['scales'], mode=mode) for op, opset in [('Resize', 10), ('Upsample', 9)] for mode in ['nearest', 'linear']]
down = [kept(op, 13, 12, axis=axis) for op in ['Softmax', 'LogSoftmax'] for axis in [1, 3]]
up = [kept(op, 11, 13) for op in ['Softmax', 'LogSoftmax', 'Hardmax']]
same = resized == [True, False] * 2 and down == [False, True] * 2 and up == [True, True, False]
sys.exit(0 if same else 1)
PY
venv/bin/python convert.py
