"""Makes classes.onnx: scores of a bright and a dark picture, and of two classes that never win and whose numbers 8 bits lose: the likeliest class stands, the cosine does not."""
import json
import numpy as np, onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T

r = np.random.default_rng(5)
node = lambda op, i, o, **k: h.make_node(op, i, [o], name=o, **k)
# The first channel is a thousand times the brightness around its middle, the others are small and positive.
first = np.concatenate([np.full((1, 3, 1, 1), 1000 / 3), np.abs(r.standard_normal((2, 3, 1, 1)))]).astype(np.float32)
weights = nh.from_array(first, 'w')
bias = nh.from_array(np.array([-500, 0.2, 0.2], np.float32), 'b')
scores = nh.from_array(np.array([[0.02, -0.02, 0, 0], [0, 0, -300, -100], [0, 0, -200, -400]], np.float32), 'classes')
nodes = [
    node('Conv', ['x', 'w', 'b'], 'wide', kernel_shape=[1, 1]),
    node('GlobalAveragePool', ['wide'], 'pooled'),
    node('Flatten', ['pooled'], 'flat'),
    node('Gemm', ['flat', 'classes'], 'scores'),
]
graph = h.make_graph(nodes, 'classes', [h.make_tensor_value_info('x', T.FLOAT, ['n', 3, 16, 16])], [h.make_tensor_value_info('scores', T.FLOAT, ['n', 4])], [weights, bias, scores])
model = h.make_model(graph, opset_imports=[h.make_opsetid('', 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.helper.set_model_props(model, {
    'preprocessor_config': json.dumps({'image_processor_type': 'ViTImageProcessor', 'size': {'height': 16, 'width': 16}, 'image_mean': [0, 0, 0], 'image_std': [1, 1, 1]}),
    'classes': json.dumps(['bright', 'dark', 'red', 'green']),
})
onnx.save(model, 'classes.onnx')
