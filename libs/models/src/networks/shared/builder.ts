import type { GraphNode, Size2 } from '../../graph.js'

/** Square sizes are written as one number in the tables. */
type Size = number | Size2

interface ConvOptions {
  channels: number
  kernel: Size
  stride?: Size
  pad?: Size
  bias?: boolean
  /** The parameters' prefix, where it is not the node's name. */
  parameters?: string
}

interface PoolOptions {
  kernel: Size
  stride: Size
  pad?: Size
}

const square = (size: Size): Size2 => (typeof size === 'number' ? [size, size] : size)

/**
 * Collects the nodes of a network in order. Every method appends one node and returns its name, so that a table reads as a chain.
 * Parameters are named after the node unless told otherwise.
 */
export class GraphBuilder {
  readonly nodes: GraphNode[] = []

  input(channels: number): string {
    return this.append({ name: 'input', op: 'input', inputs: [], attributes: { channels }, parameters: undefined })
  }

  conv(name: string, input: string, options: ConvOptions): string {
    const prefix = options.parameters ?? name
    const { channels, kernel, stride = 1, pad = 0, bias = true } = options
    return this.append({
      name,
      op: 'conv',
      inputs: [input],
      attributes: { outChannels: channels, kernel: square(kernel), stride: square(stride), pad: square(pad) },
      parameters: bias ? { weight: `${prefix}/W`, bias: `${prefix}/b` } : { weight: `${prefix}/W` },
    })
  }

  batchNorm(name: string, input: string, epsilon: number, prefix = name): string {
    const parameters = { gamma: `${prefix}/gamma`, beta: `${prefix}/beta`, mean: `${prefix}/avg_mean`, variance: `${prefix}/avg_var` }
    // 0.9: the default decay of Chainer's and PyTorch's running statistics (PyTorch calls it momentum 0.1).
    return this.append({ name, op: 'batchNorm', inputs: [input], attributes: { epsilon, decay: 0.9 }, parameters })
  }

  relu(name: string, input: string): string {
    return this.append({ name, op: 'relu', inputs: [input], attributes: {}, parameters: undefined })
  }

  maxPool(name: string, input: string, options: PoolOptions & { ceil: boolean }): string {
    const { kernel, stride, pad = 0, ceil } = options
    const attributes = { kernel: square(kernel), stride: square(stride), pad: square(pad), ceil }
    return this.append({ name, op: 'maxPool', inputs: [input], attributes, parameters: undefined })
  }

  avgPool(name: string, input: string, options: PoolOptions): string {
    const { kernel, stride, pad = 0 } = options
    const attributes = { kernel: square(kernel), stride: square(stride), pad: square(pad) }
    return this.append({ name, op: 'avgPool', inputs: [input], attributes, parameters: undefined })
  }

  globalAvgPool(name: string, input: string): string {
    return this.append({ name, op: 'globalAvgPool', inputs: [input], attributes: {}, parameters: undefined })
  }

  adaptiveAvgPool(name: string, input: string, size: Size): string {
    return this.append({ name, op: 'adaptiveAvgPool', inputs: [input], attributes: { size: square(size) }, parameters: undefined })
  }

  lrn(name: string, input: string): string {
    // GoogLeNet's train_val.prototxt (local_size 5, alpha 1e-4, beta 0.75, k 1); Caffe divides alpha by the size.
    const attributes = { size: 5, alpha: 1e-4 / 5, beta: 0.75, k: 1 }
    return this.append({ name, op: 'lrn', inputs: [input], attributes, parameters: undefined })
  }

  linear(name: string, input: string, inFeatures: number, outFeatures: number, prefix = name): string {
    const parameters = { weight: `${prefix}/W`, bias: `${prefix}/b` }
    return this.append({ name, op: 'linear', inputs: [input], attributes: { inFeatures, outFeatures }, parameters })
  }

  dropout(name: string, input: string, ratio: number): string {
    return this.append({ name, op: 'dropout', inputs: [input], attributes: { ratio }, parameters: undefined })
  }

  softmax(name: string, input: string): string {
    return this.append({ name, op: 'softmax', inputs: [input], attributes: {}, parameters: undefined })
  }

  concat(name: string, inputs: readonly string[]): string {
    return this.append({ name, op: 'concat', inputs, attributes: {}, parameters: undefined })
  }

  add(name: string, inputs: readonly string[]): string {
    return this.append({ name, op: 'add', inputs, attributes: {}, parameters: undefined })
  }

  flatten(name: string, input: string): string {
    return this.append({ name, op: 'flatten', inputs: [input], attributes: {}, parameters: undefined })
  }

  private append(node: GraphNode): string {
    this.nodes.push(node)
    return node.name
  }
}
