import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { inferShapes, parameterShapes, type GraphNode, type NodeOf, type Size2 } from '@layermill/models'
import { createSession } from '../session.js'
import { channelStatistics, computeReference, crossEntropy, type Value } from '../../self-check/operators/reference.js'
import { float, type OnnxNode } from '../graph.js'
import { blockSize } from './block-size.js'
import { lowerTraining, type LossTerm, type LoweredTraining } from './lower.js'

const batch = 3
const settings = { device: 'cpu', threads: 2 } as const
const classes = 4

/** Numbers in [-1, 1) that look random and are the same every time. */
function numbers(name: string, length: number): Float32Array {
  let state = Buffer.from(name).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5)
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    let x = state
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    return (x ^ (x >>> 16)) / 2147483648
  })
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)
const tensor = (name: string, shape: readonly number[], change: (value: number) => number = value => value): Tensor => ({
  shape,
  data: numbers(name, count(shape)).map(change),
})
const double = ({ shape, data }: Tensor): Value => ({ shape, data: Float64Array.from(data) })

/** Small networks end here: the scores. */
const scores = (input: string, features: number, name = 'scores'): GraphNode[] => [
  {
    name,
    op: 'linear',
    inputs: [input],
    attributes: { inFeatures: features, outFeatures: classes },
    parameters: { weight: `${name}/W`, bias: `${name}/b` },
  },
]
const input = (channels: number): GraphNode => ({ name: 'input', op: 'input', inputs: [], attributes: { channels }, parameters: undefined })
const convolution = (
  name: string,
  from: string,
  outChannels: number,
  kernel: Size2,
  stride: Size2 = [1, 1],
  pad: Size2 = [0, 0],
  bias = true,
): GraphNode => ({
  name,
  op: 'conv',
  inputs: [from],
  attributes: { outChannels, kernel, stride, pad },
  parameters: bias ? { weight: `${name}/W`, bias: `${name}/b` } : { weight: `${name}/W` },
})
const normalisation = (name: string, from: string): GraphNode => ({
  name,
  op: 'batchNorm',
  inputs: [from],
  attributes: { epsilon: 1e-3, decay: 0.9 },
  parameters: { gamma: `${name}/gamma`, beta: `${name}/beta`, mean: `${name}/avg_mean`, variance: `${name}/avg_var` },
})

interface Case {
  /** Nodes between the first convolution (which makes the gradient go on to the very start) and the scores. */
  middle: (from: string) => GraphNode[]
  size?: Size2
  channels?: number
  batchStatistics?: boolean
  losses?: LossTerm[]
  /** Default: all that can learn. */
  trainable?: string[]
  /** Changes the first convolution's parameters, so that many of its values are equal. */
  ties?: boolean
  /** Lets convolutions work on blocked values. */
  blocked?: boolean
  /** Changes the graph before it runs: a rule that is wrong. */
  breakRule?: (lowered: LoweredTraining) => OnnxNode[]
}

interface Setup {
  nodes: GraphNode[]
  weights: Map<string, Tensor>
  images: Tensor
  targets: Tensor
  masks: Map<string, Tensor>
  losses: LossTerm[]
}

function setUp({ middle, size = [7, 6], channels = 3, losses = [{ node: 'scores', weight: 1 }], ties = false }: Case): Setup {
  const before = [input(2), convolution('first', 'input', channels, [1, 1])]
  const body = middle('first')
  const last = body.at(-1) ?? before[1]!
  const open = [...before, ...body]
  const nodes = last.name === 'scores' ? open : [...open, ...scores(last.name, count(inferShapes(open, size).get(last.name)!))]
  const weights = new Map<string, Tensor>()
  for (const [name, shape] of parameterShapes({ nodes, inputSize: size })) {
    weights.set(
      name,
      tensor(name, shape, value => (name.endsWith('avg_var') || name.endsWith('gamma') ? 1.2 + value : value)),
    )
  }
  const masks = new Map<string, Tensor>()
  for (const node of nodes) {
    if (node.op === 'dropout')
      masks.set(
        node.name,
        tensor(`mask ${node.name}`, [batch, ...inferShapes(nodes, size).get(node.name)!], value => (value < 0 ? 0 : 2)),
      )
  }
  const images = tensor('images', [batch, 2, ...size], value => (ties ? Math.round(value) : value))
  // Rows that sum to different numbers: class weights and label smoothing.
  const targets = tensor('targets', [batch, classes], value => value + 1)
  return { nodes, weights, images, targets, masks, losses }
}

function lossOf(
  { nodes, images, targets, masks, losses }: Setup,
  parameters: ReadonlyMap<string, Value>,
  batchStatistics: boolean,
): number {
  const doubles = new Map([...masks].map(([name, mask]) => [name, double(mask)]))
  const values = computeReference(nodes, parameters, double(images), { batchStatistics, masks: doubles })
  return losses.reduce((sum, { node, weight }) => sum + weight * crossEntropy(values.get(node)!, double(targets)), 0)
}

/** Central differences; a one-sided one would see the kinks of max pooling and ReLU twice as often. */
function finiteDifferences(setup: Setup, parameter: string, batchStatistics: boolean): Map<number, number> {
  const parameters = new Map([...setup.weights].map(([name, value]) => [name, double(value)]))
  const { data } = parameters.get(parameter)!
  const step = 1e-5
  return new Map(
    positions(data.length).map(i => {
      const value = data[i]!
      data[i] = value + step
      const above = lossOf(setup, parameters, batchStatistics)
      data[i] = value - step
      const below = lossOf(setup, parameters, batchStatistics)
      data[i] = value
      return [i, (above - below) / (2 * step)]
    }),
  )
}

/** Up to 13 of so many, spread so that no axis of a parameter always has the same index. */
const positions = (length: number): number[] => {
  const step = Math.max(1, length / 13)
  return Array.from({ length: Math.min(length, 13) }, (_, i) => Math.floor(i * step))
}

async function blockOfThisCpu(): Promise<number> {
  const size = await blockSize(settings)
  if (size === undefined) throw new Error('this CPU has no operators on blocked values')
  return size
}

async function computed(setup: Setup, trainable: string[], { batchStatistics = false, blocked = false, breakRule }: Partial<Case>) {
  const { nodes, weights, images, targets, masks, losses } = setup
  const inputSize: Size2 = [images.shape[2]!, images.shape[3]!]
  const lowered = lowerTraining({
    nodes,
    weights,
    inputSize,
    losses,
    trainable,
    batchStatistics,
    dropout: true,
    ...(blocked ? { block: await blockOfThisCpu() } : {}),
  })
  const graph = breakRule === undefined ? lowered.graph : { ...lowered.graph, nodes: breakRule(lowered) }
  const session = await createSession(graph, settings)
  const toOrt = ({ data, shape }: Tensor): ort.Tensor => new ort.Tensor('float32', data, shape)
  const feeds: Record<string, ort.Tensor> = { [lowered.input]: toOrt(images), [lowered.targets]: toOrt(targets) }
  for (const [name, mask] of masks) feeds[lowered.masks.get(name)!.input] = toOrt(mask)
  for (const name of trainable) feeds[name] = toOrt(weights.get(name)!)
  const results = await session.run(feeds)
  await session.release()
  return { lowered, value: (name: string) => results[name]! }
}

const learnableOf = (weights: ReadonlyMap<string, Tensor>): string[] => [...weights.keys()].filter(name => !name.includes('avg_'))

async function expectGradients(test: Case): Promise<LoweredTraining> {
  const setup = setUp(test)
  const { batchStatistics = false, trainable = learnableOf(setup.weights) } = test
  const { lowered, value } = await computed(setup, trainable, test)
  expect([...lowered.gradients.keys()].toSorted()).toEqual(trainable.toSorted())
  for (const [parameter, output] of lowered.gradients) {
    const expected = finiteDifferences(setup, parameter, batchStatistics)
    const actual = value(output)
    expect(actual.dims, parameter).toEqual(setup.weights.get(parameter)!.shape)
    // Some are exactly 0 (a bias before batch norm): what remains there is rounding.
    const largest = Math.max(0.1, ...[...expected.values()].map(Math.abs))
    const worst = Math.max(...[...expected].map(([i, each]) => Math.abs(each - Number(actual.data[i]))))
    expect(worst / largest, parameter).toBeLessThan(2e-5)
  }
  return lowered
}

const windows: { kernel: Size2; stride: Size2; pad: Size2; size: Size2 }[] = [
  { kernel: [1, 1], stride: [1, 1], pad: [0, 0], size: [5, 4] },
  { kernel: [1, 1], stride: [2, 2], pad: [0, 0], size: [7, 8] },
  { kernel: [1, 1], stride: [2, 1], pad: [1, 0], size: [6, 5] },
  { kernel: [3, 3], stride: [1, 1], pad: [1, 1], size: [7, 6] },
  { kernel: [3, 3], stride: [1, 1], pad: [0, 0], size: [6, 7] },
  { kernel: [3, 3], stride: [2, 2], pad: [1, 1], size: [7, 8] },
  { kernel: [3, 2], stride: [2, 3], pad: [0, 1], size: [8, 9] },
  { kernel: [5, 5], stride: [1, 1], pad: [2, 2], size: [6, 6] },
  { kernel: [3, 3], stride: [1, 1], pad: [3, 3], size: [4, 4] },
  { kernel: [7, 7], stride: [2, 2], pad: [3, 3], size: [12, 11] },
]

describe('gradients against finite differences', () => {
  it.each(windows)('conv %o', async ({ size, ...window }) => {
    const middle = (from: string): GraphNode[] => [convolution('conv', from, 5, window.kernel, window.stride, window.pad)]
    // Few and many input channels go different ways.
    await expectGradients({ middle, size, channels: 3 })
    await expectGradients({ middle, size, channels: 10 })
  })

  it('conv of more than a thousand cells, 1x1 with more channels than cells', async () => {
    await expectGradients({
      middle: from => [
        convolution('conv', from, 2, [3, 3], [1, 1], [1, 1]),
        {
          name: 'pool',
          op: 'avgPool',
          inputs: ['conv'],
          attributes: { kernel: [8, 8], stride: [8, 8], pad: [0, 0] },
          parameters: undefined,
        },
      ],
      size: [32, 40],
      channels: 9,
      trainable: ['first/b', 'conv/W', 'scores/b'],
    })
    await expectGradients({ middle: from => [convolution('conv', from, 24, [1, 1])], size: [2, 2], channels: 12 })
  })

  it.each([true, false])('conv behind batch norm, batch statistics %s', async batchStatistics => {
    const middle = (from: string): GraphNode[] => [
      convolution('conv', from, 4, [3, 3], [2, 2], [1, 1]),
      normalisation('bn', 'conv'),
      { name: 'relu', op: 'relu', inputs: ['bn'], attributes: {}, parameters: undefined },
      convolution('conv2', 'relu', 3, [1, 1], [1, 1], [0, 0], false),
      normalisation('bn2', 'conv2'),
    ]
    await expectGradients({ middle, batchStatistics })
  })

  it.each([true, false])('batch norm without a convolution of its own, batch statistics %s', async batchStatistics => {
    await expectGradients({
      middle: from => [normalisation('bn', from), { name: 'sum', op: 'add', inputs: [from, 'bn'], attributes: {}, parameters: undefined }],
      batchStatistics,
    })
  })

  it.each([
    { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true, size: [8, 7] },
    { kernel: [3, 3], stride: [1, 1], pad: [1, 1], ceil: true, size: [5, 6] },
    { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: false, size: [5, 6] },
    { kernel: [3, 3], stride: [2, 2], pad: [1, 1], ceil: false, size: [6, 7] },
    { kernel: [3, 2], stride: [1, 3], pad: [0, 1], ceil: true, size: [5, 9] },
    { kernel: [3, 3], stride: [2, 3], pad: [1, 0], ceil: false, size: [8, 8] },
    { kernel: [5, 4], stride: [2, 2], pad: [2, 1], ceil: true, size: [9, 8] },
  ] satisfies { kernel: Size2; stride: Size2; pad: Size2; ceil: boolean; size: Size2 }[])('maxPool %o', async ({ size, ...attributes }) => {
    await expectGradients({ middle: from => [{ name: 'pool', op: 'maxPool', inputs: [from], attributes, parameters: undefined }], size })
  })

  it.each([
    { kernel: [5, 5], stride: [3, 3], pad: [0, 0], size: [9, 8] },
    { kernel: [3, 3], stride: [1, 1], pad: [1, 1], size: [5, 5] },
    { kernel: [3, 2], stride: [2, 1], pad: [1, 0], size: [6, 5] },
  ] satisfies { kernel: Size2; stride: Size2; pad: Size2; size: Size2 }[])('avgPool %o', async ({ size, ...attributes }) => {
    await expectGradients({ middle: from => [{ name: 'pool', op: 'avgPool', inputs: [from], attributes, parameters: undefined }], size })
  })

  it('globalAvgPool and flatten, adaptiveAvgPool where the parts overlap', async () => {
    await expectGradients({
      middle: from => [
        { name: 'mean', op: 'globalAvgPool', inputs: [from], attributes: {}, parameters: undefined },
        { name: 'flat', op: 'flatten', inputs: ['mean'], attributes: {}, parameters: undefined },
      ],
    })
    await expectGradients({
      middle: from => [{ name: 'pool', op: 'adaptiveAvgPool', inputs: [from], attributes: { size: [4, 3] }, parameters: undefined }],
    })
  })

  it.each([0.75, 0.6])('lrn, beta %s', async beta => {
    const attributes = { size: 3, alpha: 0.3, beta, k: 1.5 }
    await expectGradients({ middle: from => [{ name: 'lrn', op: 'lrn', inputs: [from], attributes, parameters: undefined }], channels: 5 })
  })

  it('linear, relu, dropout, softmax, slice, concat of features', async () => {
    await expectGradients({
      middle: from => [
        {
          name: 'hidden',
          op: 'linear',
          inputs: [from],
          attributes: { inFeatures: 126, outFeatures: 6 },
          parameters: { weight: 'hidden/W', bias: 'hidden/b' },
        },
        { name: 'relu', op: 'relu', inputs: ['hidden'], attributes: {}, parameters: undefined },
        { name: 'drop', op: 'dropout', inputs: ['relu'], attributes: { ratio: 0.5 }, parameters: undefined },
        { name: 'soft', op: 'softmax', inputs: ['drop'], attributes: {}, parameters: undefined },
        { name: 'part', op: 'slice', inputs: ['drop'], attributes: { from: 1, to: 5 }, parameters: undefined },
        { name: 'both', op: 'concat', inputs: ['soft', 'part'], attributes: {}, parameters: undefined },
      ],
    })
  })

  it('concat and add, one value read four times', async () => {
    await expectGradients({
      middle: from => [
        convolution('a', from, 2, [1, 1]),
        convolution('b', from, 3, [3, 3], [1, 1], [1, 1]),
        { name: 'sum', op: 'add', inputs: [from, 'b'], attributes: {}, parameters: undefined },
        { name: 'all', op: 'concat', inputs: ['a', from, 'sum'], attributes: {}, parameters: undefined },
      ],
    })
  })

  it('several losses with weights', async () => {
    await expectGradients({
      middle: from => [...scores(from, 126, 'auxiliary'), convolution('conv', from, 2, [1, 1]), ...scores('conv', 84)],
      losses: [
        { node: 'scores', weight: 1 },
        { node: 'auxiliary', weight: 0.3 },
      ],
    })
  })

  it('only what was asked for, and what is needed for it', async () => {
    const middle = (from: string): GraphNode[] => [
      convolution('conv', from, 4, [3, 3]),
      normalisation('bn', 'conv'),
      convolution('last', 'bn', 2, [1, 1]),
    ]
    for (const trainable of [['last/W'], ['bn/gamma'], ['conv/b', 'bn/beta'], ['scores/b']]) await expectGradients({ middle, trainable })
  })
})

/** All operators of a kind (or the last) become others. */
const instead =
  (op: string, other: string, which: 'all' | 'last' = 'all') =>
  ({ graph }: LoweredTraining): OnnxNode[] => {
    const last = graph.nodes.findLast(node => node.op === op)
    return graph.nodes.map(node => (node === last || (which === 'all' && node.op === op) ? { ...node, op: other } : node))
  }

/** Comparisons say the reverse: 1 - (0 or 1). */
const upsideDown = ({ graph }: LoweredTraining): OnnxNode[] =>
  graph.nodes.map(node => {
    const { alpha, beta } = node.attributes ?? {}
    if (node.op !== 'HardSigmoid' || alpha?.kind !== 'float' || beta?.kind !== 'float') return node
    return { ...node, attributes: { alpha: float(-alpha.value), beta: float(1 - beta.value) } }
  })

/** One parameter's gradient with the other sign. */
const turnedAround =
  (parameter: string) =>
  ({ graph, gradients }: LoweredTraining): OnnxNode[] => {
    const name = gradients.get(parameter)!
    return graph.nodes.flatMap(node =>
      node.outputs[0] === name
        ? [
            { ...node, outputs: ['right'] },
            { op: 'Neg', inputs: ['right'], outputs: [name] },
          ]
        : [node],
    )
  }

describe('a rule that is wrong is found', () => {
  const conv = (from: string): GraphNode[] => [convolution('conv', from, 4, [3, 3])]
  const pool = (from: string): GraphNode[] => [
    {
      name: 'pool',
      op: 'maxPool',
      inputs: [from],
      attributes: { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true },
      parameters: undefined,
    },
  ]
  const lrn = (from: string): GraphNode[] => [
    { name: 'lrn', op: 'lrn', inputs: [from], attributes: { size: 3, alpha: 0.3, beta: 0.75, k: 1.5 }, parameters: undefined },
  ]
  const relu = (from: string): GraphNode[] => [{ name: 'relu', op: 'relu', inputs: [from], attributes: {}, parameters: undefined }]
  const joined = (from: string): GraphNode[] => [...conv(from), normalisation('bn', 'conv')]
  it.each<[string, Case, RegExp]>([
    ['the weights of one convolution turn around', { middle: conv, breakRule: turnedAround('conv/W') }, /conv\/W/],
    ['max pooling goes to those that are not the maximum', { middle: pool, breakRule: upsideDown }, /first\//],
    ['relu lets through what it cut off', { middle: relu, breakRule: upsideDown }, /first\//],
    [
      'batch norm adds the mean of the gradient',
      { middle: joined, batchStatistics: true, trainable: ['conv/W'], breakRule: instead('Neg', 'Identity') },
      /conv\/W/,
    ],
    ['the gamma of a batch norm turns around', { middle: joined, breakRule: turnedAround('bn/gamma') }, /bn\/gamma/],
    [
      'neighbours of a normalisation count with the wrong sign',
      { middle: lrn, channels: 5, breakRule: instead('Sub', 'Add', 'last') },
      /first\//,
    ],
  ])('%s', async (_name, test, parameter) => {
    await expectGradients({ ...test, breakRule: undefined })
    await expect(expectGradients(test)).rejects.toThrow(parameter)
  })
})

describe('on blocked values, against finite differences', () => {
  /** Fills the blocks of every CPU. */
  const block = 16
  const relu = (name: string, from: string): GraphNode => ({ name, op: 'relu', inputs: [from], attributes: {}, parameters: undefined })
  const joint = (name: string, op: 'add' | 'concat', inputs: string[]): GraphNode => ({
    name,
    op,
    inputs,
    attributes: {},
    parameters: undefined,
  })
  const blockCases: [string, (from: string) => GraphNode[]][] = [
    ['3x3', from => [convolution('conv', from, block, [3, 3], [1, 1], [1, 1])]],
    ['1x1 with steps, to more channels', from => [convolution('conv', from, 2 * block, [1, 1], [2, 2])]],
    ['3x3 with steps', from => [convolution('conv', from, block, [3, 3], [2, 2], [1, 1])]],
    [
      'to channels that fill no block, and back',
      from => [convolution('conv', from, 5, [3, 3], [1, 1], [1, 1]), convolution('back', 'conv', block, [1, 1])],
    ],
    [
      'convolution, batch norm, ReLU; added to what went around',
      from => [
        convolution('conv', from, block, [3, 3], [1, 1], [1, 1]),
        normalisation('bn', 'conv'),
        relu('relu', 'bn'),
        convolution('next', 'relu', block, [1, 1]),
        normalisation('bn2', 'next'),
        joint('sum', 'add', [from, 'bn2']),
        relu('end', 'sum'),
      ],
    ],
    [
      'branches joined again',
      from => [
        convolution('a', from, block, [1, 1]),
        convolution('b', from, 2 * block, [3, 3], [1, 1], [1, 1]),
        relu('c', 'b'),
        {
          name: 'pool',
          op: 'maxPool',
          inputs: [from],
          attributes: { kernel: [3, 3], stride: [1, 1], pad: [1, 1], ceil: false },
          parameters: undefined,
        },
        convolution('d', 'pool', block, [1, 1]),
        joint('all', 'concat', ['a', 'c', 'd']),
        convolution('last', 'all', block, [1, 1]),
      ],
    ],
  ]
  it.each(blockCases)('%s', async (_name, middle) => {
    await expectGradients({ middle, channels: 16, blocked: true })
  })
  it.each([
    { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true, size: [7, 6] },
    { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: false, size: [8, 6] },
    { kernel: [3, 3], stride: [2, 2], pad: [1, 1], ceil: false, size: [6, 7] },
    { kernel: [3, 3], stride: [1, 1], pad: [1, 1], ceil: false, size: [5, 4] },
    { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: true, size: [7, 4] },
    { kernel: [5, 4], stride: [3, 2], pad: [2, 1], ceil: true, size: [8, 9] },
    { kernel: [4, 1], stride: [1, 1], pad: [0, 0], ceil: false, size: [6, 5] },
  ] satisfies { kernel: Size2; stride: Size2; pad: Size2; ceil: boolean; size: Size2 }[])(
    'ReLU and maxPool %o',
    async ({ size, ...attributes }) => {
      const middle = (from: string): GraphNode[] => [
        relu('relu', from),
        { name: 'pool', op: 'maxPool', inputs: ['relu'], attributes, parameters: undefined },
      ]
      const { graph } = await expectGradients({ middle, channels: block, blocked: true, size })
      expect([...graph.initializers.keys()].some(name => name.startsWith('tap/'))).toBe(attributes.kernel.some(cells => cells > 1))
    },
  )
  it('weights that are not turned around are found', async () => {
    const [, middle] = blockCases[0]!
    const unturned = ({ graph }: LoweredTraining): OnnxNode[] =>
      graph.nodes.map(node => (node.op === 'Gather' ? { ...node, op: 'Identity', inputs: node.inputs.slice(0, 1), attributes: {} } : node))
    await expect(expectGradients({ middle, channels: 16, blocked: true, breakRule: unturned })).rejects.toThrow(/first\//)
  })
})

describe('max pooling with ties', () => {
  it.each([true, false])('gives the gradient to the first maximum in row-major order, by rows and columns %s', async bySteps => {
    // Windows that leave cells out go another way.
    const attributes: NodeOf<'maxPool'>['attributes'] = { kernel: [3, 3], stride: [2, bySteps ? 2 : 4], pad: [1, 1], ceil: bySteps }
    const test: Case = {
      middle: from => [{ name: 'pool', op: 'maxPool', inputs: [from], attributes, parameters: undefined }],
      ties: true,
      size: [6, 6],
    }
    const setup = setUp(test)
    const { lowered, value } = await computed(setup, ['first/W'], {})
    const actual = value(lowered.gradients.get('first/W')!)
    const expected = tiedGradient(setup, attributes.stride[1])
    for (const [i, each] of expected.entries()) expect(Number(actual.data[i])).toBeCloseTo(each, 4)
  })

  it('gives the gradient to the first maximum in row-major order, on blocked values behind ReLU', async () => {
    const attributes: NodeOf<'maxPool'>['attributes'] = { kernel: [3, 3], stride: [2, 2], pad: [1, 1], ceil: true }
    const relu: GraphNode = { name: 'relu', op: 'relu', inputs: ['first'], attributes: {}, parameters: undefined }
    const test: Case = {
      middle: () => [relu, { name: 'pool', op: 'maxPool', inputs: ['relu'], attributes, parameters: undefined }],
      channels: 16,
      ties: true,
      size: [6, 6],
    }
    const setup = setUp(test)
    const { lowered, value } = await computed(setup, ['first/W'], { blocked: true })
    expect([...lowered.graph.initializers.keys()].some(name => name.startsWith('tap/'))).toBe(true)
    const actual = value(lowered.gradients.get('first/W')!)
    for (const [i, each] of tiedGradient(setup, 2).entries()) expect(Number(actual.data[i])).toBeCloseTo(each, 4)
  })
})

/** Gradient of `first/W` where every window passes its gradient to the first maximum, written out by hand. */
function tiedGradient({ nodes, weights, images, targets, losses }: Setup, columnStride: number): Float64Array {
  const parameters = new Map([...weights].map(([name, each]) => [name, double(each)]))
  const values = computeReference(nodes, parameters, double(images), { batchStatistics: false, masks: new Map() })
  const [x, y, s] = [values.get('relu') ?? values.get('first')!, values.get('pool')!, values.get(losses[0]!.node)!]
  const stopsZeros = values.has('relu')
  const [n, channels, rows, columns] = y.shape as [number, number, number, number]
  const gradient = new Float64Array(count(weights.get('first/W')!.shape))
  const scoresWeight = parameters.get('scores/W')!.data
  const features = channels * rows * columns
  let tied = 0
  for (let image = 0; image < n; image++) {
    const row = s.data.subarray(image * classes, (image + 1) * classes)
    const total = row.reduce((sum, each) => sum + Math.exp(each), 0)
    const target = targets.data.subarray(image * classes, (image + 1) * classes)
    const weight = target.reduce((sum, each) => sum + each, 0)
    for (let f = 0; f < features; f++) {
      const [c, r, q] = [Math.floor(f / (rows * columns)), Math.floor(f / columns) % rows, f % columns]
      let g = 0
      for (let k = 0; k < classes; k++) g += ((Math.exp(row[k]!) / total) * weight - target[k]!) * scoresWeight[k * features + f]!
      const cells: [number, number][] = []
      for (let i = 0; i < 9; i++) {
        const [py, px] = [r * 2 - 1 + Math.floor(i / 3), q * columnStride - 1 + (i % 3)]
        if (py >= 0 && py < 6 && px >= 0 && px < 6) cells.push([py, px])
      }
      const at = ([py, px]: [number, number]): number => x.data[((image * channels + c) * 6 + py) * 6 + px]!
      const best = Math.max(...cells.map(at))
      const winners = cells.filter(cell => Math.fround(at(cell)) === Math.fround(best))
      if (winners.length > 1) tied++
      const [wy, wx] = winners[0]!
      if (stopsZeros && best === 0) continue
      for (let c0 = 0; c0 < 2; c0++) gradient[c * 2 + c0]! += g * images.data[((image * 2 + c0) * 6 + wy) * 6 + wx]!
    }
  }
  expect(tied).toBeGreaterThan(3)
  return gradient
}

describe('batch statistics', () => {
  it('are given out for each batch norm', async () => {
    const setup = setUp({ middle: from => [convolution('conv', from, 4, [3, 3]), normalisation('bn', 'conv')] })
    const { lowered, value } = await computed(setup, ['scores/W'], { batchStatistics: true })
    const parameters = new Map([...setup.weights].map(([name, each]) => [name, double(each)]))
    const values = computeReference(setup.nodes, parameters, double(setup.images), { batchStatistics: true, masks: new Map() })
    const expected = channelStatistics(values.get('conv')!)
    const { mean, variance, elementsPerImage } = lowered.statistics.get('bn')!
    expect(elementsPerImage).toBe(20)
    for (let c = 0; c < 4; c++) {
      expect(Number(value(mean).data[c])).toBeCloseTo(expected.mean[c]!, 5)
      expect(Number(value(variance).data[c])).toBeCloseTo(expected.variance[c]!, 5)
    }
  })
})
