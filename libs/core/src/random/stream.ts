import { createHash } from 'node:crypto'
import { fillSfc32 } from './sfc32.js'

const BLOCK = 4096
/** Layers of the ziggurat, and the start of its tail (Marsaglia and Tsang, 2000). */
const LAYERS = 128
const TAIL = 3.442619855899
const AREA = 9.91256303526217e-3

/**
 * A stream of random numbers that depends on its seed alone: sfc32, seeded from a SHA-256. Each tensor has its own
 * stream, named after it, so that it does not change when a network gains or loses others.
 */
export class RandomStream {
  private readonly state: Int32Array
  private readonly block = new Int32Array(BLOCK)
  private used = BLOCK

  constructor(seed: string) {
    const digest = createHash('sha256').update(seed).digest()
    this.state = new Int32Array(4)
    for (let i = 0; i < 3; i++) this.state[i] = digest.readInt32LE(4 * i)
    this.state[3] = 1
    for (let i = 0; i < 3; i++) this.fill(this.block.subarray(0, 5))
  }

  /** 32 random bits, signed. */
  next(): number {
    if (this.used === BLOCK) {
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
  const limits = new Int32Array(LAYERS)
  const widths = new Float64Array(LAYERS)
  const heights = new Float64Array(LAYERS)
  let previous = TAIL
  const base = AREA / Math.exp(-0.5 * TAIL * TAIL)
  limits[0] = Math.floor((TAIL / base) * scale)
  limits[1] = 0
  widths[0] = base / scale
  widths[LAYERS - 1] = TAIL / scale
  heights[0] = 1
  heights[LAYERS - 1] = Math.exp(-0.5 * TAIL * TAIL)
  for (let i = LAYERS - 2; i >= 1; i--) {
    const x = Math.sqrt(-2 * Math.log(AREA / previous + Math.exp(-0.5 * previous * previous)))
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
    const over = -Math.log(1 - stream.uniform()) / TAIL
    const test = -Math.log(1 - stream.uniform())
    if (2 * test > over * over) return x < 0 ? -(TAIL + over) : TAIL + over
  }
}

/** Numbers between two places to pause: some milliseconds' worth. */
const SLICE = 2 ** 18

/** Fills `data` from a normal distribution around 0; yields now and then, so that the caller may let others run. */
export function* normalSlices(data: Float32Array, standardDeviation: number, stream: RandomStream): Generator<void> {
  const ziggurat = buildZiggurat()
  const { limits, widths } = ziggurat
  const block = new Int32Array(BLOCK)
  let used = BLOCK
  let i = 0
  while (i < data.length) {
    const end = Math.min(data.length, i + SLICE)
    while (i < end) {
      if (used === BLOCK) {
        stream.fill(block)
        used = 0
      }
      const bits = block[used++]!
      const layer = bits & (LAYERS - 1)
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
  const block = new Int32Array(BLOCK)
  for (let start = 0; start < data.length; start += BLOCK) {
    const length = Math.min(BLOCK, data.length - start)
    stream.fill(length === BLOCK ? block : block.subarray(0, length))
    for (let i = 0; i < length; i++) data[start + i] = block[i]! * scale
    if ((start + length) % SLICE === 0 || start + length === data.length) yield
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
