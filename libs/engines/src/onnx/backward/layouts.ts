import { int, nchwc, text, type OnnxAttribute, type OnnxNode, type OwnDomain } from '../graph.js'

/** A convolution's weights [out, channels, height, width]: how many of each. */
export interface KernelShape {
  readonly outChannels: number
  readonly inChannels: number
  readonly kernel: readonly [height: number, width: number]
}

/** The graph that is made: operators are appended, and looked at again. */
export interface LayoutGraph {
  emit(
    op: string,
    inputs: readonly string[],
    output: string,
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    domain?: OwnDomain,
  ): string
  op(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>, domain?: OwnDomain): string
  ints(...values: number[]): string
  reshape(value: string, ...shape: number[]): string
  transpose(value: string, ...permutation: number[]): string
  slice(value: string, starts: readonly number[], ends: readonly number[], axes: readonly number[], steps: readonly number[]): string
  /** The place among the nodes of the operator that makes a value; -1 for an input. */
  position(value: string): number
  producer(value: string): OnnxNode | undefined
  /** Puts another operator in the place of the one that makes a value. */
  replace(value: string, node: OnnxNode): void
}

type Cells = readonly [height: number, width: number]

interface Steps {
  readonly from: Cells
  readonly to: Cells
  readonly stride: Cells
}

/**
 * Which values are blocked, and the same values otherwise. ONNX Runtime's fast convolutions on the CPU read and write
 * [N, channels / block, height, width, block] (its tensors still say [N, channels, height, width]). It arranges that by itself only
 * where weights are constants, which they are not in training; so a training graph names those operators, and each value is turned
 * into another arrangement once, where an operator needs it. Operators on single elements do not mind.
 */
export class Layouts {
  private readonly channels = new Map<string, number>()
  private readonly turned = new Map<string, string>()

  /** @param block channels that lie together; undefined where nothing is blocked. */
  constructor(
    private readonly context: LayoutGraph,
    private readonly block: number | undefined,
  ) {}

  isBlocked(value: string): boolean {
    return this.channels.has(value)
  }

  /** Says that an operator's result is blocked; returns it. */
  mark(value: string, channels: number): string {
    this.channels.set(value, channels)
    return value
  }

  /** Channels of a block. */
  get size(): number {
    return this.blocks().block
  }

  /** Whether so many channels fill whole blocks. */
  isWhole(channels: number): boolean {
    return this.block !== undefined && channels % this.block === 0
  }

  /** Whether a convolution can be computed on blocked values. Few channels (colours) are read as they are. */
  fits({ outChannels, inChannels }: KernelShape): boolean {
    return this.isWhole(outChannels) && (this.isWhole(inChannels) || inChannels < this.size)
  }

  /** [N, channels, height, width] */
  plain(value: string): string {
    const channels = this.channels.get(value)
    if (channels === undefined) return value
    return this.once(`plain ${value}`, () => this.own('ReorderOutput', [value], { channels: int(channels) }))
  }

  /** [N, height, width, channels] */
  channelsLast(value: string): string {
    const channels = this.channels.get(value)
    return this.once(`last ${value}`, () =>
      channels === undefined
        ? this.context.transpose(value, 0, 2, 3, 1)
        : this.own('ReorderOutput', [value], { channels: int(channels), channels_last: int(1) }),
    )
  }

  /** Blocked; `channels` must be whole blocks. */
  blocked(value: string, channels: number): string {
    if (this.isBlocked(value)) return value
    return this.once(`blocked ${value}`, () => this.mark(this.own('ReorderInput', [value], {}), channels))
  }

  /** Arranged as another value is. */
  like(value: string, other: string): string {
    const channels = this.channels.get(other)
    return channels === undefined ? this.plain(value) : this.blocked(value, channels)
  }

  /** Two values or more arranged alike: blocked where all are, else plain. */
  alike(values: readonly string[]): readonly string[] {
    return values.every(value => this.isBlocked(value)) ? values : values.map(value => this.plain(value))
  }

  /** A convolution whose result is blocked. `weight` is as `weightForward` or `weightBackward` give it. */
  conv(inputs: readonly string[], attributes: NonNullable<OnnxNode['attributes']>, channels: number): string {
    return this.mark(this.own('Conv', inputs, attributes), channels)
  }

  /** Max pooling of a value, arranged as that is; the result gets the name given. */
  maxPool(value: string, name: string, attributes: NonNullable<OnnxNode['attributes']>): string {
    const channels = this.channels.get(value)
    if (channels === undefined) return this.context.emit('MaxPool', [value], name, attributes)
    return this.mark(this.context.emit('MaxPool', [value], name, attributes, nchwc), channels)
  }

  /**
   * Weights for `conv`: [out / block, in / block, cells, block of in, block of out], or [out / block, in, cells, block of out] for few
   * channels.
   */
  weightForward(weight: string, { outChannels, inChannels, kernel }: KernelShape): string {
    const { block, context } = this.blocks()
    const cells = kernel[0] * kernel[1]
    return this.once(`forward ${weight}`, () => {
      const inner = this.lastToBlock(context.reshape(weight, outChannels / block, block, inChannels * cells, 1))
      const split = inChannels % block === 0 && cells > 1
      const all = split ? this.rowsToBlocks(context.reshape(inner, -1, block, 1, cells * block)) : inner
      return context.reshape(all, outChannels, inChannels, ...kernel)
    })
  }

  /** Weights of the convolution that gives the gradient of what one with `weight` reads: channels swapped, cells turned around. */
  weightBackward(weight: string, shape: KernelShape): string {
    const { block, context } = this.blocks()
    const { outChannels, inChannels, kernel } = shape
    const cells = kernel[0] * kernel[1]
    if (cells === 1)
      return context.reshape(this.rowsToBlocks(context.reshape(weight, 1, outChannels, 1, inChannels)), inChannels, outChannels, 1, 1)
    const squares = context.reshape(this.weightForward(weight, shape), -1, block, block, 1)
    const [outBlocks, inBlocks] = [outChannels / block, inChannels / block]
    // Source of each square of a block by a block: channels swapped, the last cell first.
    const order = Array.from({ length: inBlocks * outBlocks * cells }, (_, i) => {
      const [cell, out, into] = [i % cells, Math.floor(i / cells) % outBlocks, Math.floor(i / (cells * outBlocks))]
      return (out * inBlocks + into) * cells + cells - 1 - cell
    })
    const swapped = context.op('Gather', [this.lastToBlock(squares), context.ints(...order)], { axis: int(0) })
    return context.reshape(swapped, inChannels, outChannels, ...kernel)
  }

  /** [n, block, length, 1] to [n, length, block] in memory, several times as fast as Transpose. */
  private lastToBlock(value: string): string {
    return this.own('ReorderInput', [value], {})
  }

  /** [n, rows, 1, channels] to [n, channels / block, rows, block] in memory. */
  private rowsToBlocks(value: string): string {
    return this.own('ReorderInput', [value], { channels_last: int(1) })
  }

  /** Of a blocked value every cell at a multiple of the stride: `to` of them in height and width. */
  everyStride(value: string, { from, to, stride }: Steps): string {
    const { block, context } = this.blocks()
    const channels = this.channels.get(value)!
    return this.once(`every ${stride.join('x')} ${value}`, () => {
      const ends = to.map((cells, axis) => (cells - 1) * stride[axis]! + 1)
      const taken = context.slice(context.reshape(value, -1, ...from, block), [0, 0], ends, [1, 2], stride)
      return this.mark(context.reshape(taken, -1, channels, ...to), channels)
    })
  }

  /** The reverse of `everyStride`: zeros come between the cells of a blocked value, and after them up to `to`. */
  spread(value: string, { from, to, stride }: Steps): string {
    const { block, context } = this.blocks()
    const channels = this.channels.get(value)!
    const [[height, width], [down, across]] = [from, stride]
    const pads = context.ints(0, 0, 0, 0, 0, 0, 0, down - 1, 0, (across - 1) * block)
    const padded = context.op('Pad', [context.reshape(value, -1, height, 1, width, block), pads])
    const spread = context.reshape(padded, -1, height * down, width * across, block)
    // Cells beyond `to` are cut off, missing ones are filled up.
    const rest = [to[0] - height * down, to[1] - width * across] as const
    const exact = rest.every(cells => cells === 0) ? spread : context.op('Pad', [spread, context.ints(0, 0, 0, 0, 0, ...rest, 0)])
    return this.mark(context.reshape(exact, -1, channels, ...to), channels)
  }

  /** Sum over all but the channels, [channels]. */
  channelSum(value: string): string {
    const { context } = this
    const channels = this.channels.get(value)
    if (channels === undefined) return context.op('ReduceSum', [value, context.ints(0, 2, 3)], { keepdims: int(0) })
    const perImage = context.op('ReduceSum', [context.reshape(value, 0, channels / this.size, -1, this.size), context.ints(2)], {
      keepdims: int(0),
    })
    return context.op('ReduceSum', [context.reshape(perImage, 0, channels), context.ints(0)], { keepdims: int(0) })
  }

  /** Lets the convolution that made a value, which nothing else reads, end with a ReLU; false where none did. */
  fuseRelu(value: string): boolean {
    const node = this.fusable(value)
    if (node === undefined) return false
    this.context.replace(value, { ...node, attributes: { ...node.attributes, activation: text('Relu') } })
    return true
  }

  /** Lets the convolution that made `value`, which nothing else reads, add a value that was there before; false where it cannot. */
  fuseSum(value: string, other: string): boolean {
    const node = this.fusable(value)
    if (node === undefined || node.inputs.length > 3 || !this.isBlocked(other)) return false
    if (this.context.position(other) > this.context.position(value)) return false
    const [input, weight, bias = ''] = node.inputs as [string, string, string?]
    this.context.replace(value, { ...node, inputs: [input, weight, bias, other] })
    return true
  }

  private fusable(value: string): OnnxNode | undefined {
    const node = this.isBlocked(value) ? this.context.producer(value) : undefined
    return node?.op === 'Conv' && node.domain === nchwc && node.attributes?.['activation'] === undefined ? node : undefined
  }

  private own(op: string, inputs: readonly string[], attributes: NonNullable<OnnxNode['attributes']>): string {
    return this.context.op(op, inputs, attributes, nchwc)
  }

  private once(key: string, make: () => string): string {
    const known = this.turned.get(key)
    if (known !== undefined) return known
    const value = make()
    this.turned.set(key, value)
    return value
  }

  private blocks(): { readonly block: number; readonly context: LayoutGraph } {
    if (this.block === undefined) throw new RangeError('nothing is blocked in this graph')
    return { block: this.block, context: this.context }
  }
}
