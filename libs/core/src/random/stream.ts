import { createHash } from 'node:crypto'
import { fillSfc32 } from './sfc32.js'

const blockLength = 4096
/** Layers of the ziggurat, and the start of its tail (Marsaglia and Tsang, 2000). */
const layers = 128
const tail = 3.442619855899
const area = 9.91256303526217e-3

/**
 * A stream of random numbers that depends on its seed alone: sfc32, seeded from a SHA-256. Each tensor has its own
 * stream, named after it, so that it does not change when a network gains or loses others.
 */
export class RandomStream {
  private readonly state: Int32Array
  private readonly block = new Int32Array(blockLength)
  private used = blockLength

  constructor(seed: string) {
    const digest = createHash('sha256').update(seed).digest()
    this.state = new Int32Array(4)
    for (let i = 0; i < 3; i++) this.state[i] = digest.readInt32LE(4 * i)
    this.state[3] = 1
    for (let i = 0; i < 3; i++) this.fill(this.block.subarray(0, 5))
  }

  /** 32 random bits, signed. */
  next(): number {
    if (this.used === blockLength) {
      this.fill(this.block)
      this.used = 0
    }
    return this.block[this.used++]!
  }

  /** In [0, 1), in steps of 2^-32. */
  uniform(): number {
    return (this.next() >>> 0) / 4294967296
  }

  /** Random 32-bit patterns. */
  fill(target: Int32Array): void {
    fillSfc32(this.state, target)
  }
}

interface Ziggurat {
  /** Bound of each layer: a 25-bit number of smaller magnitude is inside the layer's rectangle for certain. */
  readonly limits: Int32Array
  readonly widths: Float64Array
  readonly heights: Float64Array
}

function buildZiggurat(): Ziggurat {
  const scale = 2 ** 24
  const limits = new Int32Array(layers)
  const widths = new Float64Array(layers)
  const heights = new Float64Array(layers)
  let previous = tail
  const base = area / Math.exp(-0.5 * tail * tail)
  limits[0] = Math.floor((tail / base) * scale)
  limits[1] = 0
  widths[0] = base / scale
  widths[layers - 1] = tail / scale
  heights[0] = 1
  heights[layers - 1] = Math.exp(-0.5 * tail * tail)
  for (let i = layers - 2; i >= 1; i--) {
    const x = Math.sqrt(-2 * Math.log(area / previous + Math.exp(-0.5 * previous * previous)))
    limits[i + 1] = Math.floor((x / previous) * scale)
    widths[i] = x / scale
    heights[i] = Math.exp(-0.5 * x * x)
    previous = x
  }
  return { limits, widths, heights }
}

/** The rare cases: the tail, or the wedge beside a rectangle. Undefined: draw again. */
function outsideRectangle(stream: RandomStream, { heights }: Ziggurat, layer: number, x: number): number | undefined {
  if (layer > 0) {
    const height = heights[layer]! + stream.uniform() * (heights[layer - 1]! - heights[layer]!)
    return height < Math.exp(-0.5 * x * x) ? x : undefined
  }
  for (;;) {
    const over = -Math.log(1 - stream.uniform()) / tail
    const test = -Math.log(1 - stream.uniform())
    if (2 * test > over * over) return x < 0 ? -(tail + over) : tail + over
  }
}

/** Numbers between two places to pause: some milliseconds' worth. */
const slice = 2 ** 18

/** Fills `data` from a normal distribution around 0; yields now and then, so that the caller may let others run. */
export function* normalSlices(data: Float32Array, standardDeviation: number, stream: RandomStream): Generator<void> {
  const ziggurat = buildZiggurat()
  const { limits, widths } = ziggurat
  const block = new Int32Array(blockLength)
  let used = blockLength
  let i = 0
  while (i < data.length) {
    const end = Math.min(data.length, i + slice)
    while (i < end) {
      if (used === blockLength) {
        stream.fill(block)
        used = 0
      }
      const bits = block[used++]!
      const layer = bits & (layers - 1)
      const position = bits >> 7
      const x = position * widths[layer]!
      if (Math.abs(position) < limits[layer]!) {
        data[i++] = x * standardDeviation
        continue
      }
      const drawn = outsideRectangle(stream, ziggurat, layer, x)
      if (drawn !== undefined) data[i++] = drawn * standardDeviation
    }
    yield
  }
}

/** Fills `data` uniformly from [-limit, limit); yields as `normalSlices`. */
export function* uniformSlices(data: Float32Array, limit: number, stream: RandomStream): Generator<void> {
  const scale = limit / 2147483648
  const block = new Int32Array(blockLength)
  for (let start = 0; start < data.length; start += blockLength) {
    const length = Math.min(blockLength, data.length - start)
    stream.fill(length === blockLength ? block : block.subarray(0, length))
    for (let i = 0; i < length; i++) data[start + i] = block[i]! * scale
    if ((start + length) % slice === 0 || start + length === data.length) yield
  }
}

/** Runs work that can pause to its end at once. */
export function finish<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** Fills `data` from a normal distribution around 0. */
export function fillNormal(data: Float32Array, standardDeviation: number, stream: RandomStream): void {
  finish(normalSlices(data, standardDeviation, stream))
}

/** Fills `data` uniformly from [-limit, limit). */
export function fillUniform(data: Float32Array, limit: number, stream: RandomStream): void {
  finish(uniformSlices(data, limit, stream))
}
