"""Makes two-quantisations.onnx: pictures that are rounded to steps of 1/2, then to steps of 3/100."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

nodes = [
    helper.make_node('QuantizeLinear', ['images', 'coarse', 'zero'], ['first/q']),
    helper.make_node('DequantizeLinear', ['first/q', 'coarse', 'zero'], ['first']),
    helper.make_node('QuantizeLinear', ['first', 'fine', 'zero'], ['y/q']),
    helper.make_node('DequantizeLinear', ['y/q', 'fine', 'zero'], ['y']),
]
constants = [
    numpy_helper.from_array(np.float32(0.5), 'coarse'),
    numpy_helper.from_array(np.float32(0.03), 'fine'),
    numpy_helper.from_array(np.uint8(128), 'zero'),
]
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ['batch', 3, 16, 16])
graph = helper.make_graph(nodes, 'quantised', [value('images')], [value('y')], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
checker.check_model(model, full_check=True)
save(model, Path(__file__).with_name('two-quantisations.onnx'))
