"""Makes gradients.json: small ONNX graphs of one or more operators and the gradients that PyTorch 2.13.0 has of the same: python make.py > gradients.json"""
import json, sys

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper

cases = []
state = np.random.default_rng(7)


def numbers(*shape, low=-1.0, high=1.0):
    return np.round(state.uniform(low, high, shape), 4).astype('float32')


def case(name, nodes, inputs, compute, integers={}, batched=True, opset=17, result=None, sides=True):
    """`nodes`: (op, inputs, outputs, attributes). `compute`: torch tensors to the last output."""
    inputs = {k: np.asarray(v, dtype="float32") for k, v in inputs.items()}
    made = [helper.make_node(op, i, o, domain=attributes.pop('domain', ''), **attributes) for op, i, o, attributes in [(n[0], n[1], n[2], dict(n[3])) for n in nodes]]
    result = result or nodes[-1][2][0]
    values = [o for n in nodes for o in n[2] if o]
    graph = helper.make_graph(
        made, name,
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in inputs.items()],
        [helper.make_value_info(v, helper.make_tensor_type_proto({'Greater': TensorProto.BOOL, 'Shape': TensorProto.INT64}.get(op, TensorProto.INT64 if v == 'places' or v in ('n', 'shape') and 'Shape' in [n[0] for n in nodes] else TensorProto.FLOAT), None)) for op, _, o, _ in nodes for v in o if v],
        [helper.make_tensor(k, TensorProto.INT64, [] if isinstance(v, int) else [len(v)], [v] if isinstance(v, int) else v) for k, v in integers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset), helper.make_opsetid('com.microsoft', 1)], ir_version=8 if opset == 17 else 10)
    computed = dict(zip(values, onnxruntime.InferenceSession(model.SerializeToString()).run(values, inputs)))
    tensors = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in inputs.items()}
    output = compute(*tensors.values())
    assert output.shape == computed[result].shape, (name, output.shape, computed[result].shape)
    assert np.abs(output.detach().numpy() - computed[result]).max() < 2e-5, (name, np.abs(output.detach().numpy() - computed[result]).max())
    seed = numbers(*output.shape)
    output.backward(torch.tensor(seed, dtype=torch.float64))
    array = lambda v: {'shape': list(v.shape), 'data': [float(f'{x:.8g}') for x in np.asarray(v).ravel()]}
    attribute = lambda v: {'kind': 'float', 'value': v} if isinstance(v, float) else {'kind': 'string', 'value': v} if isinstance(v, str) else {'kind': 'int', 'value': v} if isinstance(v, int) else {'kind': 'floats', 'value': v} if isinstance(v[0], float) else {'kind': 'ints', 'value': v}
    cases.append({
        'name': name, 'batched': batched, **({} if sides else {'sides': False}), **({'opset': opset} if opset != 17 else {}),
        'nodes': [{'op': op, 'inputs': i, 'outputs': o, **({'domain': a['domain']} if 'domain' in a else {}), 'attributes': {k: attribute(v) for k, v in a.items() if k != 'domain'}} for op, i, o, a in nodes],
        'integers': integers, 'inputs': {k: array(v) for k, v in inputs.items()},
        'dims': {k: list(v.shape) for k, v in computed.items()}, 'result': result, 'seed': array(seed),
        'gradients': {k: array(v.grad.numpy() if v.grad is not None else np.zeros(v.shape)) for k, v in tensors.items()},
    })


def one(op, inputs, compute, name=None, integers={}, batched=True, opset=17, **attributes):
    names = ['x', 'w', 'b'][:len(inputs)]
    case(name or op, [(op, names + list(integers), ['y'], attributes)], dict(zip(names, inputs)), compute, integers, batched, opset)


x = lambda: numbers(2, 3, 4, low=-4, high=4)
one('Add', [numbers(2, 3, 4), numbers(3, 1)], lambda a, b: a + b)
one('Add', [numbers(2, 3, 4), numbers(2, 3, 4)], lambda a, b: a + b, 'Add alike')
one('Sub', [numbers(3, 1), numbers(2, 3, 4)], lambda a, b: a - b, batched=False)
one('Mul', [numbers(2, 3, 4), numbers(1, 3, 1)], lambda a, b: a * b, batched=False)
one('Mul', [numbers(2, 3), numbers()], lambda a, b: a * b, 'Mul by a number')
one('Div', [numbers(2, 3, 4), numbers(4, low=0.5, high=2)], lambda a, b: a / b)
one('Pow', [numbers(2, 5, low=0.3, high=2), np.float32(2.5)], lambda a, b: a ** b.detach(), 'Pow')
one('Sigmoid', [x()], torch.sigmoid)
one('HardSigmoid', [x()], F.hardsigmoid, alpha=1 / 6, beta=0.5)
one('HardSwish', [x()], F.hardswish, 'HardSwish')
one('Gelu', [x()], F.gelu, 'Gelu', domain='com.microsoft')
one('Erf', [x()], torch.erf)
one('Tanh', [x()], torch.tanh)
one('Exp', [numbers(2, 3)], torch.exp)
one('Log', [numbers(2, 3, low=0.3, high=2)], torch.log)
one('Sqrt', [numbers(2, 3, low=0.3, high=2)], torch.sqrt)
one('Neg', [numbers(2, 3)], torch.neg)
one('Relu', [x()], F.relu)
one('LeakyRelu', [x()], lambda a: F.leaky_relu(a, 0.2), alpha=0.2)
case('Clip', [('Clip', ['x', 'low', 'high'], ['y'], {})], {'x': x(), 'low': np.float32(0), 'high': np.float32(2.5)}, lambda a, low, high: torch.clamp(a, 0, 2.5))
one('LayerNormalization', [x(), numbers(4), numbers(4)], lambda a, w, b: F.layer_norm(a, (4,), w, b, 1e-6), axis=-1, epsilon=1e-6)
one('LayerNormalization', [x(), numbers(3, 4), numbers(3, 4)], lambda a, w, b: F.layer_norm(a, (3, 4), w, b, 1e-5), 'LayerNormalization of two axes', axis=1)
one('Softmax', [x()], lambda a: F.softmax(a, -1), axis=-1)
one('Softmax', [x()], lambda a: F.softmax(a, 1), 'Softmax of the middle axis', axis=1)
one('LogSoftmax', [x()], lambda a: F.log_softmax(a, -1), axis=-1)
one('ReduceMean', [x()], lambda a: a.mean((2,), keepdim=True), axes=[-1], keepdims=1)
one('ReduceMean', [numbers(2, 3, 4, 2)], lambda a: a.mean((2, 3)), 'ReduceMean without sides', axes=[2, 3], keepdims=0)
one('ReduceSum', [x()], lambda a: a.sum((1,)), integers={'axes': [1]}, keepdims=0)
one('Reshape', [x()], lambda a: a.reshape(2, 12), integers={'shape': [0, -1]})
one('Flatten', [x()], lambda a: a.flatten(1), axis=1)
one('Squeeze', [numbers(2, 3, 1, 1)], lambda a: a.flatten(1), integers={'axes': [2, 3]})
one('Unsqueeze', [numbers(2, 3)], lambda a: a[:, None], integers={'axes': [1]})
one('Transpose', [x()], lambda a: a.permute(2, 0, 1), perm=[2, 0, 1], batched=False)
one('Transpose', [x()], lambda a: a.permute(2, 1, 0), 'Transpose by default', batched=False)
case('Concat', [('Concat', ['x', 'w'], ['y'], {'axis': 1})], {'x': numbers(2, 1, 3), 'w': numbers(2, 2, 3)}, lambda a, b: torch.cat([a, b], 1))
case('Concat of the same twice', [('Concat', ['x', 'x'], ['y'], {'axis': -1})], {'x': numbers(2, 3)}, lambda a: torch.cat([a, a], -1))
one('Slice', [numbers(2, 5, 6)], lambda a: a[:, 1:4], integers={'starts': [1], 'ends': [-1], 'axes': [1]})
one('Slice', [numbers(2, 5, 6)], lambda a: a[:, 0:5:2].flip(2), 'Slice with steps', integers={'starts': [0, -1], 'ends': [9223372036854775807 // 2 ** 20, -2 ** 40], 'axes': [1, 2], 'steps': [2, -1]})
one('Gather', [numbers(2, 5, 3)], lambda a: a[:, 0], 'Gather one', integers={'index': 0}, axis=1)
one('Gather', [numbers(2, 5, 3)], lambda a: a[:, [4, 1, 1]], 'Gather with repeats', integers={'index': [-1, 1, 1]}, axis=1)
one('Expand', [numbers(1, 1, 3)], lambda a: a.expand(2, 1, 3), integers={'shape': [2, 1, 3]}, batched=False)
one('MatMul', [numbers(2, 3, 4), numbers(4, 5)], torch.matmul, 'MatMul by a matrix')
one('MatMul', [numbers(2, 2, 3, 4), numbers(2, 2, 4, 3)], torch.matmul, 'MatMul of batches')
one('MatMul', [numbers(2, 2, 3, 4), numbers(1, 2, 4, 3)], torch.matmul, 'MatMul spread', batched=False)
one('MatMul', [numbers(3, 4), numbers(4, 2)], torch.matmul, 'MatMul of matrices')
for ta in (0, 1):
    for tb in (0, 1):
        a, b = numbers(*((4, 3) if ta else (3, 4))), numbers(*((5, 4) if tb else (4, 5)))
        one('Gemm', [a, b, numbers(5)], lambda a, b, c, ta=ta, tb=tb: 0.5 * (a.T if ta else a) @ (b.T if tb else b) + 2 * c, f'Gemm {ta}{tb}', transA=ta, transB=tb, alpha=0.5, beta=2.0, batched=False)
conv = lambda name, xs, ws, bias=True, **k: one(
    'Conv', [numbers(*xs), numbers(*ws), *([numbers(ws[0])] if bias else [])],
    lambda a, w, b=None: F.conv2d(a, w, b, k.get('stride', 1), k.get('padding', 0), k.get('dilation', 1), k.get('group', 1)), name,
    strides=[k.get('stride', 1)] * 2, pads=[k.get('padding', 0)] * 4, dilations=[k.get('dilation', 1)] * 2, group=k.get('group', 1))
conv('Conv', (2, 3, 5, 6), (4, 3, 3, 2), padding=1)
conv('Conv with a stride that leaves a rest', (2, 2, 6, 7), (3, 2, 3, 3), stride=2)
conv('Conv with dilation', (2, 2, 7, 7), (2, 2, 3, 3), bias=False, dilation=2, padding=1, stride=2)
conv('Conv in groups', (2, 4, 5, 5), (6, 2, 3, 3), group=2, padding=1, stride=2)
conv('Conv depthwise', (2, 3, 6, 5), (3, 1, 3, 3), group=3, padding=1)
conv('Conv depthwise with two filters a channel', (2, 3, 4, 4), (6, 1, 2, 2), group=3, bias=False)
case('Conv with SAME_UPPER', [('Conv', ['x', 'w'], ['y'], {'auto_pad': 'SAME_UPPER', 'strides': [2, 2]})], {'x': numbers(2, 2, 6, 5), 'w': numbers(2, 2, 3, 3)},
     lambda a, w: F.conv2d(F.pad(a, (1, 1, 0, 1)), w, stride=2))
stats = {'w': numbers(3, low=0.5, high=2), 'b': numbers(3), 'mean': numbers(3), 'variance': numbers(3, low=0.5, high=2)}
case('BatchNormalization', [('BatchNormalization', ['x', *stats], ['y'], {'epsilon': 1e-3})], {'x': numbers(2, 3, 2, 2), **stats},
     lambda a, w, b, m, v: F.batch_norm(a, m.detach(), v.detach(), w, b, eps=1e-3))
one('GlobalAveragePool', [numbers(2, 3, 4, 2)], lambda a: a.mean((2, 3), keepdim=True))
one('AveragePool', [numbers(2, 2, 5, 4)], lambda a: F.avg_pool2d(a, 2, 2), kernel_shape=[2, 2], strides=[2, 2])
one('AveragePool', [numbers(2, 2, 5, 4)], lambda a: F.avg_pool2d(a, 3, 2, 1), 'AveragePool with padding', kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
one('MaxPool', [numbers(2, 2, 5, 6)], lambda a: F.max_pool2d(a, 3, 2, 1), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

one('AveragePool', [numbers(2, 2, 5, 6)], lambda a: F.avg_pool2d(a, 2, 2, ceil_mode=True, count_include_pad=False), 'AveragePool with a last window that hangs over', kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
one('AveragePool', [numbers(2, 2, 5, 4)], lambda a: F.avg_pool2d(a, 3, 2, 1, count_include_pad=False), 'AveragePool whose padding does not count', kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
case('Split', [('Split', ['x', 'sizes'], ['p', 'q', 'r'], {'axis': 1}), ('Mul', ['p', 'r'], ['y'], {})], {'x': numbers(2, 5, 3)}, lambda a: a[:, :2] * a[:, 3:], {'sizes': [2, 1, 2]})
one('Pad', [numbers(2, 3, 4)], lambda a: F.pad(a, (0, 3, 2, 1)), integers={'pads': [0, 2, 0, 0, 1, 3]})
one('Abs', [numbers(2, 3)], torch.abs)
one('Reciprocal', [numbers(2, 3, low=0.5, high=2)], torch.reciprocal)
one('Softplus', [x()], F.softplus)


one('Identity', [numbers(2, 3)], lambda a: a)
one('Cast', [numbers(2, 3)], lambda a: a, to=1)
one('Dropout', [numbers(2, 3)], lambda a: a)
one('Sum', [numbers(2, 3), numbers(3), numbers(2, 1)], lambda a, b, c: a + b + c, batched=False)
case('Where on a mask of the values', [('Greater', ['x', 'w'], ['m'], {}), ('Where', ['m', 'x', 'w'], ['y'], {})], {'x': numbers(2, 3), 'w': numbers(3)},
     lambda a, b: torch.where(a > b, a, b))
case('Reshape to a computed shape', [('Shape', ['x'], ['s'], {}), ('Gather', ['s', 'first'], ['n'], {'axis': 0}), ('Concat', ['n', 'rest'], ['shape'], {'axis': 0}), ('Reshape', ['x', 'shape'], ['y'], {})],
     {'x': numbers(2, 3, 2)}, lambda a: a.reshape(2, 6), {'first': [0], 'rest': [-1]})


def attention(tokens, scale, bias, qkv, project):
    normal = F.layer_norm(tokens, (6,), scale, bias)
    q, k, v = (normal @ qkv).reshape(2, 4, 3, 2, 3).permute(2, 0, 3, 1, 4)
    return tokens + ((q @ k.transpose(-1, -2) * 0.57735026) .softmax(-1) @ v).transpose(1, 2).reshape(2, 4, 6) @ project


case('a block of attention', [
    ('LayerNormalization', ['x', 'scale', 'bias'], ['n'], {'axis': -1}), ('MatMul', ['n', 'qkv'], ['m'], {}), ('Reshape', ['m', 's1'], ['r'], {}),
    ('Transpose', ['r'], ['t'], {'perm': [2, 0, 3, 1, 4]}), *[('Gather', ['t', f'i{i}'], [name], {'axis': 0}) for i, name in enumerate('qkv')],
    ('Transpose', ['k'], ['kt'], {'perm': [0, 1, 3, 2]}), ('MatMul', ['q', 'kt'], ['a'], {}), ('Mul', ['a', 'factor'], ['as'], {}),
    ('Softmax', ['as'], ['p'], {'axis': -1}), ('MatMul', ['p', 'v'], ['o'], {}), ('Transpose', ['o'], ['ot'], {'perm': [0, 2, 1, 3]}),
    ('Reshape', ['ot', 's2'], ['or'], {}), ('MatMul', ['or', 'project'], ['op'], {}), ('Add', ['x', 'op'], ['y'], {})],
    {'x': numbers(2, 4, 6), 'scale': numbers(6), 'bias': numbers(6), 'qkv': numbers(6, 18), 'project': numbers(6, 6), 'factor': np.float32(0.57735026)},
    lambda t, s, b, w, p, f: attention(t, s, b, w, p), {'s1': [0, 0, 3, 2, 3], 's2': [0, 0, 6], 'i0': 0, 'i1': 1, 'i2': 2}, batched=False)


def squeeze(image, depth, w1, w2, point):
    y = F.hardswish(F.conv2d(image, depth, padding=1, groups=4))
    gate = F.hardsigmoid(F.conv2d(F.relu(F.conv2d(y.mean((2, 3), keepdim=True), w1)), w2))
    return image + F.conv2d(y * gate, point)


case('an inverted residual with squeezing', [
    ('Conv', ['x', 'depth'], ['d'], {'group': 4, 'pads': [1] * 4}), ('HardSwish', ['d'], ['h'], {}), ('GlobalAveragePool', ['h'], ['g'], {}),
    ('Conv', ['g', 'w1'], ['f1'], {}), ('Relu', ['f1'], ['r'], {}), ('Conv', ['r', 'w2'], ['f2'], {}), ('HardSigmoid', ['f2'], ['gate'], {'alpha': 1 / 6, 'beta': 0.5}),
    ('Mul', ['h', 'gate'], ['m'], {}), ('Conv', ['m', 'point'], ['p'], {}), ('Add', ['x', 'p'], ['y'], {})],
    {'x': numbers(2, 4, 4, 4), 'depth': numbers(4, 1, 3, 3), 'w1': numbers(2, 4, 1, 1), 'w2': numbers(4, 2, 1, 1), 'point': numbers(4, 4, 1, 1)}, squeeze)

zeros = numbers(2, 3, 4)
zeros[0, 1] = 0
one('ReduceL2', [zeros], lambda a: a.norm(dim=2, keepdim=True), axes=[-1], keepdims=1)
one('ReduceL2', [numbers(2, 3, 4, 2)], lambda a: a.norm(dim=(2, 3)), 'ReduceL2 without sides', axes=[2, 3], keepdims=0)
one('Tile', [numbers(1, 1, 3)], lambda a: a.repeat(2, 4, 1), integers={'shape': [2, 4, 1]}, batched=False)

# Functions of each element.
one('Elu', [x()], lambda a: F.elu(a, 1.5), alpha=1.5)
one('Selu', [x()], F.selu)
one('Celu', [x()], lambda a: F.celu(a, 0.7), alpha=0.7)
one('PRelu', [numbers(2, 3, 4), numbers(3, 1)], lambda a, w: F.prelu(a, w.ravel()))
one('Softsign', [x()], F.softsign)
one('Mish', [x()], F.mish, opset=18)
one('Gelu', [x()], F.gelu, 'Gelu of set 20', opset=20)
one('Gelu', [x()], lambda a: F.gelu(a, approximate='tanh'), 'Gelu by a tangent', opset=20, approximate='tanh')
one('Swish', [x()], lambda a: a * torch.sigmoid(1.3 * a), opset=24, alpha=1.3)
one('QuickGelu', [x()], lambda a: a * torch.sigmoid(1.702 * a), domain='com.microsoft', alpha=1.702)
one('ThresholdedRelu', [x()], lambda a: F.threshold(a, 0.5, 0), alpha=0.5)
one('Sin', [x()], torch.sin)
one('Cos', [x()], torch.cos)
one('Max', [numbers(2, 3, 4), numbers(3, 1)], torch.maximum)
case('Max of the same twice', [('Max', ['x', 'x'], ['y'], {})], {'x': numbers(2, 3)}, lambda a: torch.maximum(a, a))
one('Min', [numbers(2, 3), numbers(3)], torch.minimum)
one('Mean', [numbers(2, 3), numbers(3)], lambda a, b: (a + b) / 2)
one('CastLike', [numbers(2, 3), numbers(1)], lambda a, b: a)
one('Pow', [numbers(2, 5, low=0.3, high=2), numbers(5, low=1, high=3)], lambda a, b: a ** b, 'Pow by exponents that learn')

# Reductions.
one('ReduceL1', [x()], lambda a: a.abs().sum(2, keepdim=True), axes=[-1], keepdims=1)
one('ReduceSumSquare', [x()], lambda a: (a * a).sum(1), axes=[1], keepdims=0)
one('ReduceLogSumExp', [x()], lambda a: a.logsumexp(2), axes=[2], keepdims=0)
one('ReduceMax', [x()], lambda a: a.amax((1, 2)), axes=[1, 2], keepdims=0)
equals = np.float32([[1, 2, 2, 0], [3, 1, 3, 3]])
one('ReduceMax', [equals], lambda a: a.amax(1), 'ReduceMax of equals', opset=18, integers={'axes': [1]}, keepdims=0)
one('ReduceMin', [x()], lambda a: a.amin(1, keepdim=True), opset=18, integers={'axes': [-2]})
one('ReduceMean', [x()], lambda a: a.mean((1, 2)), 'ReduceMean of set 18', opset=18, integers={'axes': [1, 2]}, keepdims=0)
one('GlobalMaxPool', [numbers(2, 3, 4, 2)], lambda a: a.amax((2, 3), keepdim=True))

# Places.
case('Gather by computed places', [('ArgMax', ['w'], ['places'], {'axis': 0, 'keepdims': 0}), ('Gather', ['x', 'places'], ['y'], {'axis': 1})],
     {'x': numbers(2, 5, 3), 'w': np.float32([[0, 1, 0, 1], [2, 0, 0, 0], [0, 0, 3, 0]])}, lambda a, w: a[:, [1, 0, 2, 0]], batched=False)
case('Slice by computed bounds', [('Shape', ['w'], ['n'], {}), ('Slice', ['x', 'one', 'n', 'one', 'two'], ['y'], {})], {'x': numbers(2, 5, 3), 'w': numbers(4)},
     lambda a, w: a[:, 1:4:2], {'one': [1], 'two': [2]}, batched=False)
case('GatherElements', [('TopK', ['w', 'k'], ['best', 'places'], {'axis': 1}), ('GatherElements', ['x', 'places'], ['y'], {'axis': 1})],
     {'x': numbers(2, 4), 'w': numbers(2, 4)}, lambda a, w: a.gather(1, w.topk(2, 1).indices), {'k': [2]})
case('TopK', [('TopK', ['x', 'k'], ['y', 'places'], {'axis': 1})], {'x': numbers(2, 5, 3)}, lambda a: a.topk(2, 1).values, {'k': [2]}, result='y')
case('ScatterElements', [('TopK', ['w', 'k'], ['best', 'places'], {'axis': 1}), ('ScatterElements', ['x', 'places', 'best'], ['y'], {'axis': 1})],
     {'x': numbers(2, 4), 'w': numbers(2, 4)}, lambda a, w: a.scatter(1, w.topk(2, 1).indices, w.topk(2, 1).values), {'k': [2]})
case('ScatterElements that adds', [('TopK', ['w', 'k'], ['best', 'places'], {'axis': 1}), ('ScatterElements', ['x', 'places', 'best'], ['y'], {'axis': 1, 'reduction': 'add'})],
     {'x': numbers(2, 4), 'w': numbers(2, 4)}, lambda a, w: a.scatter_add(1, w.topk(2, 1).indices, w.topk(2, 1).values), {'k': [2]})
rows = {'flat': [2, 0], 'column': [2, 1]}


def put(a, w):
    b = a.clone()
    b[[2, 0]] = w
    return b


case('ScatterND', [('Reshape', ['flat', 'column'], ['places'], {}), ('ScatterND', ['x', 'places', 'w'], ['y'], {})], {'x': numbers(3, 4), 'w': numbers(2, 4)}, put, rows, batched=False)
case('ScatterND that adds', [('Reshape', ['flat', 'column'], ['places'], {}), ('ScatterND', ['x', 'places', 'w'], ['y'], {'reduction': 'add'})], {'x': numbers(3, 4), 'w': numbers(2, 4)},
     lambda a, w: a.index_add(0, torch.tensor([2, 0]), w), rows, batched=False)
case('GatherND', [('Reshape', ['flat', 'column'], ['places'], {}), ('GatherND', ['x', 'places'], ['y'], {})], {'x': numbers(3, 4)}, lambda a: a[[2, 0]], rows, batched=False)
one('Trilu', [numbers(2, 3, 4)], lambda a: a.tril(1), integers={'k': 1}, upper=0)
one('CumSum', [numbers(2, 4)], lambda a: a.cumsum(1), integers={'k': 1})
one('CumSum', [numbers(2, 4)], lambda a: a.flip(1).cumsum(1).flip(1) - a, 'CumSum from the end without its own', integers={'k': 1}, exclusive=1, reverse=1)
one('DepthToSpace', [numbers(2, 8, 2, 3)], lambda a: F.pixel_shuffle(a, 2), 'DepthToSpace by columns and rows', blocksize=2, mode='CRD')
one('DepthToSpace', [numbers(2, 8, 2, 3)], lambda a: a.reshape(2, 2, 2, 2, 2, 3).permute(0, 3, 4, 1, 5, 2).reshape(2, 2, 4, 6), blocksize=2)
one('SpaceToDepth', [numbers(2, 2, 4, 6)], lambda a: a.reshape(2, 2, 2, 2, 3, 2).permute(0, 3, 5, 1, 2, 4).reshape(2, 8, 2, 3), blocksize=2)
one('Tile', [numbers(2, 3, 2)], lambda a: a.repeat(1, 2, 3), 'Tile of several', integers={'shape': [1, 2, 3]})
one('Tile', [numbers(2, 3)], lambda a: a.repeat(4, 1), 'Tile of the batch', integers={'shape': [4, 1]})
one('Pad', [numbers(2, 1, 4, 5)], lambda a: F.pad(a, (2, 1, 1, 3), mode='reflect'), 'Pad that reflects', integers={'pads': [0, 0, 1, 2, 0, 0, 3, 1]}, mode='reflect')
one('Pad', [numbers(2, 1, 4, 5)], lambda a: F.pad(a, (2, 1, 1, 3), mode='replicate'), 'Pad by the edge', integers={'pads': [0, 0, 1, 2, 0, 0, 3, 1]}, mode='edge')
one('Pad', [numbers(2, 1, 4, 5)], lambda a: F.pad(a, (2, 1, 1, 3), mode='circular'), 'Pad around', opset=19, integers={'pads': [0, 0, 1, 2, 0, 0, 3, 1]}, mode='wrap')
one('Pad', [numbers(2, 3, 5)], lambda a: F.pad(a, (-1, 2, 0, -1)), 'Pad that cuts', integers={'pads': [0, 0, -1, 0, -1, 2]})

# Products.
one('MatMul', [numbers(2, 3, 4), numbers(4)], torch.matmul, 'MatMul by a vector')
one('MatMul', [numbers(3), numbers(2, 3, 4)], torch.matmul, 'MatMul of a vector', batched=False)
one('Einsum', [numbers(2, 3, 4), numbers(5, 4)], lambda a, b: torch.einsum('bhc,kc->bhk', a, b), equation='bhc,kc->bhk')
one('Einsum', [numbers(2, 3, 4), numbers(3, 5)], lambda a, b: torch.einsum('bhc,hk->bk', a, b), 'Einsum that sums an axis of one', equation='bhc,hk->bk')
one('Einsum', [numbers(2, 3), numbers(3, 4)], lambda a, b: a @ b, 'Einsum without a result', equation='ij,jk', batched=False)
up = lambda name, xs, ws, **k: one(
    'ConvTranspose', [numbers(*xs), numbers(*ws), numbers(ws[1] * k.get('group', 1))],
    lambda a, w, b: F.conv_transpose2d(a, w, b, k.get('stride', 1), k.get('padding', 0), k.get('more', 0), k.get('group', 1), k.get('dilation', 1)), name,
    strides=[k.get('stride', 1)] * 2, pads=[k.get('padding', 0)] * 4, dilations=[k.get('dilation', 1)] * 2, group=k.get('group', 1), output_padding=[k.get('more', 0)] * 2)
up('ConvTranspose', (2, 3, 4, 5), (3, 2, 2, 2), stride=2)
up('ConvTranspose with padding', (2, 3, 4, 5), (3, 2, 3, 3), stride=2, padding=1, more=1)
up('ConvTranspose in groups', (2, 4, 3, 3), (4, 3, 3, 3), group=2, padding=1, dilation=2)
one('LRN', [numbers(2, 7, 2, 3, low=-3, high=3)], lambda a: F.local_response_norm(a, 5, 0.3, 0.75, 2.0), size=5, alpha=0.3, beta=0.75, bias=2.0)

# Sizes.
for name, kind, change in [('nearest', 'nearest', dict(coordinate_transformation_mode='asymmetric', nearest_mode='floor')), ('bilinear', 'linear', dict(coordinate_transformation_mode='half_pixel')),
                           ('bilinear between corners', 'linear', dict(coordinate_transformation_mode='align_corners')), ('bicubic', 'cubic', dict(coordinate_transformation_mode='half_pixel', cubic_coeff_a=-0.75))]:
    corners = True if 'corners' in name else None
    options = {} if kind == 'nearest' else {'align_corners': corners or False}
    case(f'Resize, {name}', [('Resize', ['x', '', '', 'sizes'], ['y'], {'mode': kind, **change})], {'x': numbers(2, 2, 4, 5)},
         lambda a, n=name, o=options: F.interpolate(a, (7, 9), mode=n.split()[0], **o), {'sizes': [2, 2, 7, 9]}, batched=False)
case('Resize to a smaller one', [('Resize', ['x', '', '', 'sizes'], ['y'], {'mode': 'linear', 'coordinate_transformation_mode': 'pytorch_half_pixel'})], {'x': numbers(2, 2, 6, 7)},
     lambda a: F.interpolate(a, (4, 3), mode='bilinear'), {'sizes': [2, 2, 4, 3]}, batched=False)
case('Resize by scales', [('Cast', ['factors'], ['scales'], {'to': 1}), ('Resize', ['x', '', 'scales'], ['y'], {'mode': 'nearest', 'coordinate_transformation_mode': 'asymmetric', 'nearest_mode': 'floor'})],
     {'x': numbers(2, 2, 3, 4)}, lambda a: F.interpolate(a, scale_factor=2), {'factors': [1, 1, 2, 2]}, batched=False)

# Norms.
maps = lambda: numbers(2, 4, 3, 2, low=-3, high=3)
one('InstanceNormalization', [maps(), numbers(4), numbers(4)], lambda a, w, b: F.instance_norm(a, None, None, w, b, eps=1e-3), epsilon=1e-3)
one('GroupNormalization', [maps(), numbers(4), numbers(4)], lambda a, w, b: F.group_norm(a, 2, w, b), opset=21, num_groups=2)
one('GroupNormalization', [maps(), numbers(2), numbers(2)], lambda a, w, b: F.group_norm(a, 2, w.repeat_interleave(2), b.repeat_interleave(2)), 'GroupNormalization of set 18', opset=18, num_groups=2)
rms = lambda a, w: a / (a * a).mean(-1, keepdim=True).add(1e-5).sqrt() * w
one('RMSNormalization', [x(), numbers(4)], rms, opset=23)
one('SimplifiedLayerNormalization', [x(), numbers(4)], rms, axis=-1)
four = lambda: {'x': numbers(2, 3, 4), 'skip': numbers(2, 3, 4), 'w': numbers(4), 'b': numbers(4), 'bias': numbers(4)}
case('SkipLayerNormalization', [('SkipLayerNormalization', ['x', 'skip', 'w', 'b', 'bias'], ['n', '', '', 's'], {'domain': 'com.microsoft', 'epsilon': 1e-5}), ('Mul', ['n', 's'], ['y'], {})], four(),
     lambda a, k, w, b, c: F.layer_norm(a + k + c, (4,), w, b) * (a + k + c))
case('SkipSimplifiedLayerNormalization', [('SkipSimplifiedLayerNormalization', ['x', 'skip', 'w'], ['y'], {'domain': 'com.microsoft', 'epsilon': 1e-5})],
     {'x': numbers(2, 3, 4), 'skip': numbers(2, 3, 4), 'w': numbers(4)}, lambda a, k, w: rms(a + k, w))

# Joined by the runtime's optimizers.
one('BiasGelu', [x(), numbers(4)], lambda a, b: F.gelu(a + b), domain='com.microsoft')
one('FastGelu', [x(), numbers(4)], lambda a, b: F.gelu(a + b, approximate='tanh'), domain='com.microsoft')
case('FusedConv with a summand', [('FusedConv', ['x', 'w', 'b', 'z'], ['y'], {'domain': 'com.microsoft', 'activation': 'Relu', 'pads': [1] * 4, 'kernel_shape': [3, 3], 'strides': [1, 1], 'dilations': [1, 1], 'group': 1})],
     {'x': numbers(2, 2, 4, 4), 'w': numbers(3, 2, 3, 3), 'b': numbers(3), 'z': numbers(2, 3, 4, 4)}, lambda a, w, b, z: F.relu(F.conv2d(a, w, b, padding=1) + z), batched=False)
one('FusedConv', [numbers(2, 2, 4, 4), numbers(3, 2, 3, 3), numbers(3)], lambda a, w, b: F.leaky_relu(F.conv2d(a, w, b), 0.1), domain='com.microsoft', activation='LeakyRelu', activation_params=[0.1])
one('FusedConv', [numbers(2, 2, 4, 4), numbers(3, 2, 3, 3), numbers(3)], lambda a, w, b: F.conv2d(a, w, b).clamp(0, 0.5), 'FusedConv with bounds', domain='com.microsoft', activation='Clip', activation_params=[0.0, 0.5])
one('FusedGemm', [numbers(3, 4), numbers(5, 4), numbers(5)], lambda a, w, b: F.relu(a @ w.T + b), domain='com.microsoft', transB=1, activation='Relu')
one('FusedMatMul', [numbers(2, 3, 4), numbers(2, 5, 4)], lambda a, b: 0.5 * a @ b.transpose(1, 2), domain='com.microsoft', transB=1, alpha=0.5)

# Attention.
heads = lambda t, n: t.reshape(t.shape[0], t.shape[1], n, -1).transpose(1, 2)
rejoin = lambda t: t.transpose(1, 2).flatten(2)
sdpa = F.scaled_dot_product_attention
case('Attention of heads', [('Attention', ['q', 'k', 'v'], ['y'], {})], {'q': numbers(2, 2, 3, 4), 'k': numbers(2, 2, 5, 4), 'v': numbers(2, 2, 5, 3)}, sdpa, batched=False, opset=23)
case('Attention with a bias', [('Attention', ['q', 'k', 'v', 'bias'], ['y'], {'q_num_heads': 2, 'kv_num_heads': 2, 'scale': 0.3})],
     {'q': numbers(2, 3, 8), 'k': numbers(2, 5, 8), 'v': numbers(2, 5, 8), 'bias': numbers(1, 2, 3, 5)},
     lambda q, k, v, b: rejoin(sdpa(heads(q, 2), heads(k, 2), heads(v, 2), attn_mask=b, scale=0.3)), batched=False, opset=23)
truths = np.float32([[1, 0, 1], [0, 1, 1], [1, 1, 0]])
case('Attention with a mask', [('Greater', ['w', 'none'], ['mask'], {}), ('Attention', ['q', 'k', 'v', 'mask'], ['y'], {})],
     {'q': numbers(2, 2, 3, 4), 'k': numbers(2, 2, 3, 4), 'v': numbers(2, 2, 3, 4), 'w': truths, 'none': np.float32(0.5)},
     lambda q, k, v, w, n: sdpa(q, k, v, attn_mask=w > 0.5), batched=False, opset=23)
case('Attention of fewer keys that sees no future', [('Attention', ['q', 'k', 'v'], ['y'], {'is_causal': 1, 'softcap': 2.0})], {'q': numbers(2, 4, 3, 4), 'k': numbers(2, 2, 3, 4), 'v': numbers(2, 2, 3, 4)},
     lambda q, k, v: (torch.tanh(q @ k.repeat_interleave(2, 1).transpose(2, 3) / 2 / 2) * 2 + torch.full((3, 3), float('-inf')).triu(1)).softmax(-1) @ v.repeat_interleave(2, 1), batched=False, opset=23)


def packed(a, w, b, scale=None):
    q, k, v = (heads(t, 2) for t in (a @ w + b).chunk(3, 2))
    return rejoin(sdpa(q, k, v, scale=scale))


case('Attention with its products', [('Attention', ['x', 'w', 'b'], ['y'], {'domain': 'com.microsoft', 'num_heads': 2})], {'x': numbers(2, 3, 4), 'w': numbers(4, 12), 'b': numbers(12)}, packed)
case('MultiHeadAttention', [('MultiHeadAttention', ['q', 'k', 'v', 'bias', '', 'more'], ['y'], {'domain': 'com.microsoft', 'num_heads': 2})],
     {'q': numbers(2, 3, 8), 'k': numbers(2, 5, 8), 'v': numbers(2, 5, 8), 'bias': numbers(24), 'more': numbers(1, 2, 3, 5)},
     lambda q, k, v, b, m: rejoin(sdpa(heads(q + b[:8], 2), heads(k + b[8:16], 2), heads(v + b[16:], 2), attn_mask=m)), batched=False)

# Sides that only the run tells.
case('Expand of sides that are not known', [('Expand', ['x', 'shape'], ['y'], {})], {'x': numbers(2, 1, 3)}, lambda a: a.expand(2, 4, 3), {'shape': [2, 4, 3]}, sides=False)
case('Mul of sides that are not known', [('Mul', ['x', 'w'], ['y'], {})], {'x': numbers(2, 4, 3), 'w': numbers(2, 1, 3)}, lambda a, w: a * w, sides=False)
case('Slice of sides that are not known', [('Slice', ['x', 'starts', 'ends', 'axes'], ['y'], {})], {'x': numbers(2, 5, 3)}, lambda a: a[:, 1:4, 2:], {'starts': [1, -1], 'ends': [-1, 9], 'axes': [1, 2]}, sides=False)
case('Tile of sides that are not known', [('Tile', ['x', 'shape'], ['y'], {})], {'x': numbers(2, 3)}, lambda a: a.repeat(4, 1), {'shape': [4, 1]}, sides=False)
json.dump({'cases': cases}, sys.stdout, separators=(',', ':'))
