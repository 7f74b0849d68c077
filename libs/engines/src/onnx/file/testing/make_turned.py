"""Makes turned.onnx and turned.json, its values for three images by onnxruntime 1.30.0: two images at a time, tokens before images, tokens and images joined in one dimension, windows as many as images.

The shape of the windows is joined of constants, as TorchScript's exporter writes it. Made with onnx 1.23.1.
"""

import json

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, save

random = np.random.default_rng(5)


def real(name, *shape):
    return numpy_helper.from_array((random.standard_normal(shape) / 2).astype(np.float32), name)


def ints(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=output, **attributes)


nodes = [
    node("Conv", ["x", "patch"], "conv", strides=[2, 2]),
    node("Reshape", ["conv", "flat"], "patches"),
    node("Transpose", ["patches"], "turned", perm=[2, 0, 1]),
    node("Reshape", ["turned", "joining"], "joined"),
    node("MatMul", ["joined", "weight"], "product"),
    node("Reshape", ["product", "parting"], "parted"),
    node("Transpose", ["parted"], "front", perm=[1, 2, 0]),
    node("Concat", ["two", "two", "two", "two", "two", "two"], "sides", axis=0),
    node("Reshape", ["front", "sides"], "split"),
    node("Transpose", ["split"], "windows", perm=[0, 2, 4, 1, 3, 5]),
    node("Relu", ["windows"], "mean"),
    node("Reshape", ["mean", "rows"], "features"),
    node("Gemm", ["features", "head"], "y"),
]
weights = [
    real("patch", 4, 3, 2, 2),
    real("weight", 4, 4),
    real("head", 32, 3),
    ints("flat", 2, 4, 8),
    ints("joining", 16, 4),
    ints("parting", 8, 2, 4),
    ints("two", 2),
    ints("rows", 2, 32),
]
image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 8, 4])
output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
model = helper.make_model(
    helper.make_graph(nodes, "turned", [image], [output], weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
)
checker.check_model(model, full_check=True)
save(model, "turned.onnx")

# Dimension of the two images in each value, and what is outside of them there.
places = {"turned": (1, 1), "joined": (0, 8), "product": (0, 8), "parted": (1, 1), "front": (0, 1), "split": (0, 1), "mean": (0, 1), "y": (0, 1)}
model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in places if name != "y")
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
images = np.round(random.standard_normal((3, 3, 8, 4)), 2).astype(np.float32)
values = {}
for name, (axis, outside) in places.items():
    rows = []
    for picture in images:
        value = session.run([name], {"x": np.stack([picture, 0 * picture])})[0]
        shape = value.shape
        parted = value.reshape(*shape[:axis], outside, 2, shape[axis] // 2 // outside, *shape[axis + 1 :])
        rows.append(np.moveaxis(parted, axis + 1, 0)[0].ravel())
    values[name] = [round(float(number), 6) for number in np.concatenate(rows)]
with open("turned.json", "w") as file:
    json.dump({"images": [round(float(number), 2) for number in images.ravel()], "values": values}, file)
    file.write("\n")
