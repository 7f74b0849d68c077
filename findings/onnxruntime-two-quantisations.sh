#!/usr/bin/env bash
# ONNX Runtime 1.30.0: of two pairs of QuantizeLinear and DequantizeLinear behind each other the coarser steps are dropped.
#
# Expected: graph optimisations keep the numbers: a value that was rounded to steps of 0.5 and then to steps of 0.03 lies beside a multiple
# of 0.5.
# Seen: without optimisation (ORT_DISABLE_ALL) it does; from ORT_ENABLE_BASIC on one pair with a scale in between is left, and 0.42 stays
# 0.42 instead of 0.51. The order of the two does not matter. Files that were quantised in pieces, or that repeat what an integer network
# computes elsewhere, have such pairs. Two pairs of the same scale keep their numbers, and so do two that a Relu divides.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.1 onnxruntime==1.30.0 numpy

cat >pairs.py <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

levels = onnxruntime.GraphOptimizationLevel
x = np.linspace(-3, 3, 101, dtype=np.float32)


def run(scales, level, between=None):
    nodes, constants, at = [], [numpy_helper.from_array(np.uint8(128), 'zero')], 'x'
    for i, scale in enumerate(scales):
        constants.append(numpy_helper.from_array(np.float32(scale), f'scale{i}'))
        nodes.append(helper.make_node('QuantizeLinear', [at, f'scale{i}', 'zero'], [f'q{i}']))
        nodes.append(helper.make_node('DequantizeLinear', [f'q{i}', f'scale{i}', 'zero'], [f'x{i}']))
        at = f'x{i}'
        if between and i == 0:
            nodes.append(helper.make_node(between, [at], ['between']))
            at = 'between'
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape)
    graph = helper.make_graph(nodes, 'pairs', [value('x')], [value(at)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return session.run(None, {'x': x})[0]


def rounded(values, scale):
    return (np.clip(np.round(values / np.float32(scale)), -128, 127) * np.float32(scale)).astype(np.float32)


ok = True
for scales, between, changes in [
    ((0.5, 0.03), None, True),
    ((0.03, 0.5), None, True),
    ((0.03, 0.03), None, False),
    ((0.5, 0.03), 'Relu', False),
]:
    plain, basic = (run(scales, level, between) for level in (levels.ORT_DISABLE_ALL, levels.ORT_ENABLE_BASIC))
    first = rounded(x, scales[0])
    said = rounded(np.maximum(first, 0) if between else first, scales[1])
    most = float(np.abs(plain - basic).max())
    print(f'scales {scales}, between them {between}: largest difference {most:.2f};', len(set(plain.tolist())), 'different numbers,',
          len(set(basic.tolist())), 'optimised')
    ok &= bool(np.allclose(plain, said, atol=1e-5)) and (most > 0.2) == changes and (changes or most < 1e-5)
sys.exit(0 if ok else 1)
PY
venv/bin/python pairs.py
