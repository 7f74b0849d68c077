/** The networks that the contract suite and the check of a device compute: every op, alone and as the engines combine them. */
import type { GraphNode, Size2 } from '@layermill/models'
import { node } from './tiny.js'

export interface Case {
  readonly name: string
  readonly nodes: readonly GraphNode[]
  /** Layers to ask for; all where left out. */
  readonly layers?: readonly string[]
  readonly sizes: readonly Size2[]
}

const conv = (name: string, input: string, outChannels: number, kernel: Size2, stride: Size2, pad: Size2): GraphNode =>
  node('conv', name, [input], { outChannels, kernel, stride, pad })
const conv3 = (name: string, input: string, channels: number): GraphNode => conv(name, input, channels, [3, 3], [1, 1], [1, 1])
const batchNorm = (name: string, input: string): GraphNode => node('batchNorm', name, [input], { epsilon: 2e-5, decay: 0.9 })
const relu = (name: string, input: string): GraphNode => node('relu', name, [input], {})

const sizes: readonly Size2[] = [
  [8, 8],
  [9, 13],
  [16, 7],
  [17, 17],
]

/** Every window of these kernels, strides and paddings over one input. */
function pools(input: string): GraphNode[] {
  const nodes: GraphNode[] = []
  for (const [kernel, stride, pad] of [
    [2, 2, 0],
    [3, 2, 0],
    [3, 2, 1],
    [3, 1, 1],
    [3, 3, 0],
    [2, 3, 0],
    [5, 2, 2],
    [5, 3, 0],
  ] as const) {
    const window = { kernel: [kernel, kernel], stride: [stride, stride], pad: [pad, pad] } as const
    const name = `${input}/${kernel}-${stride}-${pad}`
    nodes.push(node('maxPool', `${name}/floor`, [input], { ...window, ceil: false }))
    // A stride beyond the kernel could put a window behind the input, which no network has and systems define differently.
    if (stride <= kernel) nodes.push(node('maxPool', `${name}/ceil`, [input], { ...window, ceil: true }))
    nodes.push(node('avgPool', `${name}/mean`, [input], window))
  }
  const oblong = { kernel: [3, 2], stride: [2, 1], pad: [1, 0] } as const
  nodes.push(
    node('maxPool', `${input}/oblong`, [input], { ...oblong, ceil: true }),
    node('avgPool', `${input}/oblong-mean`, [input], oblong),
  )
  return nodes
}

/** Sizes around every remainder that a window can leave. */
const poolSizes: readonly Size2[] = [
  [5, 5],
  [6, 7],
  [8, 9],
  [10, 11],
  [12, 13],
  [14, 15],
  [16, 17],
  [7, 28],
  [112, 14],
]

export const cases: readonly Case[] = [
  {
    name: 'convolutions of every kernel, stride and padding',
    nodes: [
      conv('1x1', 'input', 5, [1, 1], [1, 1], [0, 0]),
      conv('1x1/2', 'input', 16, [1, 1], [2, 2], [0, 0]),
      conv('3x3', 'input', 16, [3, 3], [1, 1], [1, 1]),
      conv('3x3/2', '3x3', 32, [3, 3], [2, 2], [1, 1]),
      conv('5x5', 'input', 7, [5, 5], [1, 1], [2, 2]),
      conv('7x7/2', 'input', 16, [7, 7], [2, 2], [3, 3]),
      conv('3x1', '3x3', 6, [3, 1], [2, 1], [1, 0]),
      conv('valid', 'input', 4, [3, 3], [1, 1], [0, 0]),
    ],
    sizes: sizes,
  },
  {
    name: 'convolution, batch norm and ReLU, only the last asked for',
    nodes: [conv3('conv', 'input', 16), batchNorm('bn', 'conv'), relu('relu', 'bn')],
    layers: ['relu'],
    sizes: sizes,
  },
  {
    name: 'convolution before batch norm asked for as well',
    nodes: [conv3('conv', 'input', 16), batchNorm('bn', 'conv'), relu('relu', 'bn')],
    layers: ['conv', 'relu'],
    sizes: [[9, 13]],
  },
  {
    name: 'convolution that two batch norms read',
    nodes: [conv3('conv', 'input', 8), batchNorm('left', 'conv'), batchNorm('right', 'conv'), node('add', 'sum', ['left', 'right'], {})],
    layers: ['sum'],
    sizes: [[9, 13]],
  },
  {
    name: 'batch norm of the images and behind a ReLU',
    nodes: [batchNorm('first', 'input'), relu('relu', 'first'), batchNorm('second', 'relu')],
    sizes: [[9, 13]],
  },
  {
    name: 'a residual block with a projection',
    nodes: [
      conv3('conv1', 'input', 16),
      batchNorm('bn1', 'conv1'),
      relu('relu1', 'bn1'),
      conv3('conv2', 'relu1', 32),
      batchNorm('bn2', 'conv2'),
      conv('conv4', 'input', 32, [1, 1], [1, 1], [0, 0]),
      batchNorm('bn4', 'conv4'),
      node('add', 'add', ['bn2', 'bn4'], {}),
      relu('out', 'add'),
    ],
    layers: ['out', 'relu1'],
    sizes: sizes,
  },
  { name: 'pooling of the images', nodes: pools('input'), sizes: poolSizes },
  {
    // Channels in multiples of 16 behind a convolution are what a runtime may keep in a blocked layout, with its own pooling.
    name: 'pooling behind a convolution',
    nodes: [conv3('conv', 'input', 16), relu('relu', 'conv'), ...pools('relu')],
    sizes: poolSizes,
  },
  {
    name: 'pooling of a single cell and of two',
    nodes: [
      node('maxPool', 'cover', ['input'], { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: true }),
      node('maxPool', 'padded', ['input'], { kernel: [3, 3], stride: [2, 2], pad: [1, 1], ceil: false }),
      node('globalAvgPool', 'mean', ['input'], {}),
    ],
    sizes: [
      [2, 2],
      [2, 3],
    ],
  },
  {
    name: 'adaptive and global average pooling',
    nodes: [
      node('adaptiveAvgPool', 'seven', ['input'], { size: [7, 7] }),
      node('adaptiveAvgPool', 'oblong', ['input'], { size: [2, 3] }),
      node('adaptiveAvgPool', 'chained', ['oblong'], { size: [1, 2] }),
      node('globalAvgPool', 'global', ['input'], {}),
    ],
    sizes: [
      [7, 7],
      [14, 14],
      [9, 13],
      [3, 5],
      [8, 7],
    ],
  },
  {
    name: 'local response normalisation',
    nodes: [
      node('lrn', 'images', ['input'], { size: 5, alpha: 0.3, beta: 0.75, k: 1 }),
      conv3('conv', 'input', 16),
      node('lrn', 'channels', ['conv'], { size: 5, alpha: 1e-4 / 5, beta: 0.75, k: 1 }),
      node('lrn', 'strong', ['conv'], { size: 3, alpha: 0.5, beta: 0.5, k: 2 }),
    ],
    sizes: [[9, 13]],
  },
  {
    name: 'an inception module',
    nodes: [
      conv('one', 'input', 16, [1, 1], [1, 1], [0, 0]),
      relu('one/relu', 'one'),
      conv3('three', 'one/relu', 24),
      relu('three/relu', 'three'),
      node('maxPool', 'pool', ['input'], { kernel: [3, 3], stride: [1, 1], pad: [1, 1], ceil: true }),
      conv('projection', 'pool', 5, [1, 1], [1, 1], [0, 0]),
      node('concat', 'out', ['one/relu', 'three/relu', 'projection'], {}),
    ],
    sizes: sizes,
  },
  {
    name: 'a classifier with dropout and softmax',
    nodes: [
      node('maxPool', 'pool', ['input'], { kernel: [2, 2], stride: [2, 2], pad: [0, 0], ceil: true }),
      node('linear', 'fc6/linear', ['pool'], { inFeatures: 48, outFeatures: 20 }),
      relu('fc6/relu', 'fc6/linear'),
      node('dropout', 'fc6', ['fc6/relu'], { ratio: 0.5 }),
      node('linear', 'fc7', ['fc6'], { inFeatures: 20, outFeatures: 10 }),
      node('softmax', 'prob', ['fc7'], {}),
      node('sigmoid', 'each', ['fc7'], {}),
      node('slice', 'some', ['fc7'], { from: 2, to: 7 }),
      node('concat', 'joined', ['some', 'each'], {}),
      node('flatten', 'flat', ['pool'], {}),
      node('dropout', 'images', ['input'], { ratio: 0.5 }),
    ],
    sizes: [
      [8, 8],
      [7, 7],
    ],
  },
]
