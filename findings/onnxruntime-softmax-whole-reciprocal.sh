#!/usr/bin/env bash
# ONNX Runtime 1.30.0: a Softmax between quantised values is joined to QLinearSoftmax, which multiplies by the whole part of 1 / scale.
#
# Expected: round(probability / scale), as the file says and as it is without optimisation: with scale 1/255, all of 255 steps.
# Seen: the float32 nearest to 1/255 has the reciprocal 254.99999..., of which 254 are left: results are round(probability * 254), so one
# number of each row is a step lower. With scale 1/256 and 1/100 all numbers are right; with 1/1.9 a probability of 1 comes out as 0.53.
# 1/255 is what a quantiser gives a value from 0 to 1 unless it knows of softmax (onnxruntime's own takes 1/256 there).
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnxruntime==1.30.0 onnx==1.23.1 numpy

cat >softmax.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

levels = onnxruntime.GraphOptimizationLevel
step = np.float32(0.05)
scores = (np.random.default_rng(0).standard_normal((1000, 8)) * 2).astype(np.float32)
scores[0] = [6] + [-6] * 7


def softmax(steps, level):
    """Results in units of the output's scale, 1 / steps."""
    constant = lambda name, value, kind: numpy_helper.from_array(np.array(value, kind), name)
    node = helper.make_node
    nodes = [
        node('QuantizeLinear', ['x', 'step', 'zero'], ['x/q']),
        node('DequantizeLinear', ['x/q', 'step', 'zero'], ['scores']),
        node('Softmax', ['scores'], ['shares'], axis=-1),
        node('QuantizeLinear', ['shares', 'scale', 'low'], ['y/q']),
        node('DequantizeLinear', ['y/q', 'scale', 'low'], ['y']),
    ]
    constants = [
        constant('step', step, np.float32),
        constant('zero', 0, np.int8),
        constant('scale', 1 / steps, np.float32),
        constant('low', -128, np.int8),
    ]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ['rows', 8])
    graph = helper.make_graph(nodes, 'softmax', [value('x')], [value('y')], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return np.round(session.run(None, {'x': scores})[0] * steps)


whole = np.clip(np.round(scores / step), -128, 127).astype(np.float64) * np.float64(step)
powers = np.exp(whole - whole.max(axis=1, keepdims=True))
shares = powers / powers.sum(axis=1, keepdims=True)
ok = True
for steps, used in [(255, 254), (256, 256), (100, 100), (1.9, 1)]:
    plain, joined = softmax(steps, levels.ORT_DISABLE_ALL), softmax(steps, levels.ORT_ENABLE_ALL)
    as_said = np.minimum(255, np.round(shares * steps))
    as_seen = np.minimum(255, np.round(shares * used))
    # A share that lies between two steps by rounding may go either way.
    equal = lambda a, b: float((a == b).mean())
    print(f'scale 1/{steps}: without optimisation {equal(plain, as_said):.4f} of the numbers are as the file says,',
          f'optimised {equal(joined, as_said):.4f}, and {equal(joined, as_seen):.4f} are round(probability * {used});',
          f'a probability of 1 is {joined[0, 0] / steps:.4f}, without optimisation {plain[0, 0] / steps:.4f}')
    ok &= equal(plain, as_said) > 0.999 and equal(joined, as_seen) > 0.999
    ok &= (equal(joined, as_said) < 0.99) == (used != steps)
sys.exit(0 if ok else 1)
PY
venv/bin/python softmax.py
