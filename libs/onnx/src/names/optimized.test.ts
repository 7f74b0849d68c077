import { describe, expect, it } from 'vitest'
import { floatTensor } from '../read/encode.js'
import { graphOf, node } from '../testing/graph.js'
import type { NodeDef } from '../types.js'
import { LayerNames } from './resolve.js'

const runtime = 'com.microsoft'
const named = (name: string, op: string, inputs: string[], outputs: string[], domain = ''): NodeDef => ({
  ...node(op, inputs, ...outputs),
  name,
  domain,
})

function namesOf(nodes: readonly NodeDef[], weights: readonly string[]): LayerNames {
  const graph = graphOf(
    nodes,
    weights.map(name => floatTensor(name, [1], [1])),
  )
  return new LayerNames('vit.onnx', graph, new Set(nodes.flatMap(({ outputs }) => outputs.filter(name => name !== ''))))
}

/** Remains that ONNX Runtime's optimizers leave of a transformer's block that TorchScript's exporter wrote. */
const block = namesOf(
  [
    named('/layers.0/norm1/Mul/LayerNormFusion/', 'LayerNormalization', ['x', 'layers.0.norm1.weight'], ['/layers.0/norm1/Add_1_output_0']),
    named(
      '/layers.0/attn/MatMul/MatMulScaleFusion/',
      'FusedMatMul',
      ['/layers.0/norm1/Add_1_output_0', 'k'],
      ['/layers.0/attn/MatMul_output_0'],
      runtime,
    ),
    named(
      '/layers.0/attn/proj/MatMul',
      'MatMul',
      ['/layers.0/attn/MatMul_output_0', 'onnx::MatMul_7'],
      ['/layers.0/attn/proj/MatMul_output_0'],
    ),
    named(
      'SkipLayerNorm_AddBias_0',
      'SkipLayerNormalization',
      ['/layers.0/attn/proj/MatMul_output_0', 'x', 'layers.0.norm2.weight', '', 'layers.0.attn.proj.bias'],
      ['/layers.0/norm2/LayerNormalization_output_0', '', '', '/layers.0/Add_output_0'],
      runtime,
    ),
    named(
      '/layers.0/mlp/fc1/MatMul',
      'MatMul',
      ['/layers.0/norm2/LayerNormalization_output_0', 'onnx::MatMul_8'],
      ['/layers.0/mlp/fc1/MatMul_output_0'],
    ),
    named(
      'Gelu_AddBias_0',
      'BiasGelu',
      ['/layers.0/mlp/fc1/MatMul_output_0', 'layers.0.mlp.fc1.bias'],
      ['/layers.0/mlp/act/Mul_1_output_0'],
      runtime,
    ),
    named(
      '/layers.0/mlp/fc2/MatMul',
      'MatMul',
      ['/layers.0/mlp/act/Mul_1_output_0', 'onnx::MatMul_9'],
      ['/layers.0/mlp/fc2/MatMul_output_0'],
    ),
    named(
      'SkipLayerNorm_1',
      'SkipLayerNormalization',
      ['/layers.0/mlp/fc2/MatMul_output_0', '/layers.0/Add_output_0', 'norm.weight', '', 'layers.0.mlp.fc2.bias'],
      ['/norm/LayerNormalization_output_0', '', '', '/layers.0/Add_1_output_0'],
      runtime,
    ),
    named('/pooler/Gather', 'Gather', ['/norm/LayerNormalization_output_0', 'zero'], ['/pooler/Gather_output_0']),
    named(
      'fused /pooler/dense/Gemm',
      'FusedGemm',
      ['/pooler/Gather_output_0', 'pooler.dense.weight', 'pooler.dense.bias'],
      ['356'],
      runtime,
    ),
  ],
  [
    'layers.0.norm1.weight',
    'layers.0.norm2.weight',
    'norm.weight',
    'onnx::MatMul_7',
    'onnx::MatMul_8',
    'onnx::MatMul_9',
    'layers.0.attn.proj.bias',
    'layers.0.mlp.fc1.bias',
    'layers.0.mlp.fc2.bias',
    'pooler.dense.weight',
    'pooler.dense.bias',
    'k',
  ],
)

describe("files that ONNX Runtime's optimizers rewrote", () => {
  it.each([
    ['layers.0.norm1', '/layers.0/norm1/Add_1_output_0'],
    ['layers.0.norm2', '/layers.0/norm2/LayerNormalization_output_0'],
    ['layers.0.mlp.act', '/layers.0/mlp/act/Mul_1_output_0'],
    ['layers.0', '/layers.0/Add_1_output_0'],
    ['norm', '/norm/LayerNormalization_output_0'],
    ['pooler', '356'],
  ])('give %s the value that its own name tells of', (path, value) => {
    expect(block.resolve(path)).toEqual([{ name: path, value }])
  })

  it.each([
    ['layers.0.attn.proj', 'layers.0.attn.proj.bias', '/layers.0/norm2/LayerNormalization_output_0'],
    ['layers.0.attn', 'layers.0.attn.proj.bias', '/layers.0/norm2/LayerNormalization_output_0'],
    ['layers.0.mlp.fc1', 'layers.0.mlp.fc1.bias', '/layers.0/mlp/act/Mul_1_output_0'],
    ['layers.0.mlp', 'layers.0.mlp.fc2.bias', '/norm/LayerNormalization_output_0'],
  ])('say of %s that its bias was fused into what follows', (path, bias, user) => {
    expect(block.resolve(path)[0]!.remark).toBe(`a value within it: ${bias} is used behind it, by what gives ${user}`)
  })

  it('have no modules that are named as an operator or a fusion', () => {
    expect([...block.modules.keys()].filter(path => /MatMul|Fusion|Mul/.test(path))).toEqual([])
  })

  it('give an activation its own value, where it was fused into a convolution', () => {
    const names = namesOf(
      [named('/features/conv/Conv', 'FusedConv', ['x', 'onnx::Conv_1'], ['/features/act/Relu_output_0'], runtime)],
      ['onnx::Conv_1'],
    )
    const value = '/features/act/Relu_output_0'
    expect(names.resolve('features.act')).toEqual([{ name: 'features.act', value }])
    expect(names.resolve('features.conv')).toEqual([
      { name: 'features.conv', value, remark: 'the value after features.act, which was fused into it' },
    ])
    expect(block.resolve('pooler.dense')).toEqual([
      { name: 'pooler.dense', value: '356', remark: 'the value after its activation, which was fused into it' },
    ])
  })

  it('have no layers where channels lie in blocks', () => {
    const blocked = 'com.microsoft.nchwc'
    const nodes = [
      named('r', 'ReorderInput', ['x'], ['b'], blocked),
      named('/stem/Conv_output_0_nchwc', 'Conv', ['b', 'w'], ['c'], blocked),
      named('/stem/Add', 'Add', ['c', 'c'], ['/stem/Add_output_0']),
      named('o', 'ReorderOutput', ['/stem/Add_output_0'], ['y'], blocked),
    ]
    const names = new LayerNames('net.onnx', graphOf(nodes, []), new Set(['y']))
    expect([...names.modules.keys()]).toEqual([])
    expect(() => names.resolve('/stem/Add_output_0')).toThrow(/has the value '\/stem\/Add_output_0' with its channels in blocks/)
  })
})

describe("later calls of TorchScript's exporter", () => {
  const names = namesOf(
    [
      named('/layer1/relu/Relu', 'Relu', ['x'], ['/layer1/relu/Relu_output_0']),
      named('/layer1/relu_1/Relu', 'Relu', ['/layer1/relu/Relu_output_0'], ['/layer1/relu_1/Relu_output_0']),
    ],
    [],
  )

  it('are listed once, as calls', () => {
    expect([...names.modules.keys()]).toEqual(['layer1', 'layer1.relu'])
    expect(names.resolve('layer1.relu*').map(({ name }) => name)).toEqual(['layer1.relu#0', 'layer1.relu#1'])
  })

  it('are found by the name that the exporter gives them', () => {
    expect(names.resolve('layer1.relu_1')).toEqual([{ name: 'layer1.relu_1', value: '/layer1/relu_1/Relu_output_0' }])
  })
})
