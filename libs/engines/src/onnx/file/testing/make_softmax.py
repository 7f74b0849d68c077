"""Writes softmax-qdq.onnx: a softmax between quantised values, as onnxruntime's quantiser leaves attention. Needs onnx and numpy."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


def constant(name, value, kind):
    return numpy_helper.from_array(np.array(value, kind), name)


nodes = [
    helper.make_node('QuantizeLinear', ['images', 'in/scale', 'zero'], ['q']),
    helper.make_node('DequantizeLinear', ['q', 'in/scale', 'zero'], ['scores']),
    helper.make_node('Softmax', ['scores'], ['shares'], axis=-1),
    helper.make_node('QuantizeLinear', ['shares', 'out/scale', 'low'], ['shares/q']),
    helper.make_node('DequantizeLinear', ['shares/q', 'out/scale', 'low'], ['y']),
]
graph = helper.make_graph(
    nodes,
    'softmax',
    [helper.make_tensor_value_info('images', TensorProto.FLOAT, ['batch', 3, 16, 16])],
    [helper.make_tensor_value_info('y', TensorProto.FLOAT, ['batch', 3, 16, 16])],
    [
        constant('in/scale', 0.05, np.float32),
        constant('zero', 0, np.int8),
        constant('out/scale', 1 / 255, np.float32),
        constant('low', -128, np.int8),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
checker.check_model(model)
save(model, Path(__file__).parent / 'softmax-qdq.onnx')
