"""Writes half.onnx: a product and a sum in float16, and the same product in float32 of weights that are kept in float16. Needs onnx and numpy."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

weight = np.random.default_rng(1).standard_normal((8, 4)).astype(np.float16)
nodes = [
    helper.make_node('Cast', ['images'], ['x'], to=TensorProto.FLOAT16),
    helper.make_node('MatMul', ['x', 'w'], ['half']),
    helper.make_node('Cast', ['w'], ['w32'], to=TensorProto.FLOAT),
    helper.make_node('MatMul', ['images', 'w32'], ['single']),
]
graph = helper.make_graph(
    nodes,
    'half',
    [helper.make_tensor_value_info('images', TensorProto.FLOAT, ['batch', 3, 8, 8])],
    [
        helper.make_tensor_value_info('half', TensorProto.FLOAT16, ['batch', 3, 8, 4]),
        helper.make_tensor_value_info('single', TensorProto.FLOAT, ['batch', 3, 8, 4]),
    ],
    [numpy_helper.from_array(weight, 'w')],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
checker.check_model(model)
save(model, Path(__file__).parent / 'half.onnx')
