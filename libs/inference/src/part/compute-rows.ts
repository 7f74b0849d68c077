import { elementCount, errorCode, errorMessage, freeArrays, type Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'

/** An image ready for the network: [crops, 3, H, W]. One crop, except where predictions are averaged over ten. */
export interface PreparedImage<Row> {
  readonly kind: 'image'
  readonly row: Row
  readonly tensor: Float32Array
  readonly crops: number
  readonly inputSize: Size2
  /** Of the picture itself, in pixels. */
  readonly width: number
  readonly height: number
  /** Of the file's bytes. */
  readonly sha256: string
  /** Values that exist already, by layer; as they are written. */
  readonly known?: ReadonlyMap<string, Float32Array>
  /** The layers to compute; all where left out. */
  readonly layers?: readonly string[]
}

/** An image's results, as they are written. */
export interface FinishedRow<Row> extends Pick<PreparedImage<Row>, 'row' | 'width' | 'height' | 'sha256'> {
  readonly kind: 'finished'
  readonly values: ReadonlyMap<string, Float32Array>
  /** Values that are NaN or infinite in the files, where there are some and they are written all the same. */
  readonly overflow?: number
}

/** An image that cannot be used. */
export interface FailedImage<Row> {
  readonly kind: 'failed'
  readonly row: Row
  readonly code: string
  readonly reason: string
}

/** A row whose results exist already. */
export interface CopiedRow<Row> {
  readonly kind: 'copied'
  readonly row: Row
}

export type PreparedRow<Row> = PreparedImage<Row> | FinishedRow<Row> | FailedImage<Row> | CopiedRow<Row>

/** Runs a batch of prepared images; `layers` of one that computes different sets of them. */
export interface BatchRunner {
  run(images: Tensor, layers?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>
  /** Reason for which images were computed one at a time; undefined where they were not. */
  oneByOne?(): Promise<string | undefined>
}

/** One image's activation of one layer, without the batch. */
export interface Activation {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export interface ComputedImage<Row> {
  readonly kind: 'computed'
  readonly image: Omit<PreparedImage<Row>, 'tensor'>
  readonly layers: ReadonlyMap<string, Activation>
}

export type ComputedRow<Row> = ComputedImage<Row> | FinishedRow<Row> | FailedImage<Row> | CopiedRow<Row>

/** The mean over crops: [crops, ...shape] to [...shape], in double precision. */
function meanOverCrops(data: Float32Array, crops: number): Float32Array {
  if (crops === 1) return data
  const size = data.length / crops
  const sums = new Float64Array(size)
  for (let i = 0; i < data.length; i++) sums[i % size]! += data[i]!
  return Float32Array.from(sums, sum => sum / crops)
}

function batchTensor<Row>(images: readonly PreparedImage<Row>[]): Tensor {
  const [height, width] = images[0]!.inputSize
  const crops = images.reduce((sum, image) => sum + image.crops, 0)
  const data = new Float32Array(crops * 3 * height * width)
  let offset = 0
  for (const image of images) {
    data.set(image.tensor, offset)
    offset += image.tensor.length
  }
  return { shape: [crops, 3, height, width], data }
}

/** Cuts a batch's results into the images they belong to. */
function splitResults<Row>(images: readonly PreparedImage<Row>[], results: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Activation>[] {
  let crop = 0
  return images.map(image => {
    const layers = new Map<string, Activation>()
    for (const [layer, { shape, data }] of results) {
      const rowShape = shape.slice(1)
      const size = elementCount(rowShape)
      layers.set(layer, { shape: rowShape, data: meanOverCrops(data.subarray(crop * size, (crop + image.crops) * size), image.crops) })
    }
    crop += image.crops
    return layers
  })
}

const computed = <Row>(image: PreparedImage<Row>, layers: ReadonlyMap<string, Activation>): ComputedImage<Row> => {
  const { tensor: _tensor, ...rest } = image
  return { kind: 'computed', image: rest, layers }
}

/** Each image by itself, after the batch failed: tells a picture the engine cannot take from an engine that does not work. */
async function runAlone<Row>(images: readonly PreparedImage<Row>[], extractor: BatchRunner, failure: unknown): Promise<ComputedRow<Row>[]> {
  const rows: ComputedRow<Row>[] = []
  for (const image of images) {
    try {
      const [layers] = splitResults([image], await extractor.run(batchTensor([image]), image.layers))
      rows.push(computed(image, layers!))
    } catch (error) {
      rows.push({ kind: 'failed', row: image.row, code: errorCode(error), reason: errorMessage(error) })
    }
  }
  if (rows.every(row => row.kind === 'failed')) throw failure
  return rows
}

async function runBatch<Row>(images: readonly PreparedImage<Row>[], extractor: BatchRunner): Promise<ComputedRow<Row>[]> {
  try {
    const layers = splitResults(images, await extractor.run(batchTensor(images), images[0]!.layers))
    return images.map((image, i) => computed(image, layers[i]!))
  } catch (error) {
    return runAlone(images, extractor, error)
  }
}

function activationsOf<Row>(row: ComputedRow<Row>): Float32Array[] {
  return row.kind === 'computed' ? [...row.layers.values()].map(({ data }) => data) : []
}

/** Rows that need no computing and wait for a batch that is not full. */
const mostWaiting = 128

/** Whether two images may be in one batch. */
function fitTogether<Row>(a: PreparedImage<Row>, b: PreparedImage<Row>): boolean {
  return a.inputSize[0] === b.inputSize[0] && a.inputSize[1] === b.inputSize[1] && String(a.layers) === String(b.layers)
}

/**
 * Runs prepared images through the network in batches of up to `batchSize` crops of the same size and layers, and gives back every row in
 * its order, failed, copied and finished ones included. A batch takes no more images than `fits` says, and one always.
 *
 * @throws what the extractor throws, where not one image of a batch can be computed even alone.
 */
export async function* computeRows<Row>(
  prepared: AsyncIterable<PreparedRow<Row>>,
  options: {
    extractor: BatchRunner
    batchSize: number | (() => Promise<number>)
    fits?: ((size: Size2, images: number) => boolean) | undefined
    /**
     * Images are given back once they are computed, activations once the row behind their batch is asked for: neither may be used
     * afterwards. Default: they stay.
     */
    release?: boolean
  },
): AsyncGenerator<ComputedRow<Row>> {
  let pending: PreparedRow<Row>[] = []
  let first: PreparedImage<Row> | undefined
  let crops = 0
  let batchSize = 0

  async function* flush(): AsyncGenerator<ComputedRow<Row>> {
    const rows = pending
    pending = []
    first = undefined
    crops = 0
    const images = rows.filter(row => row.kind === 'image')
    const results = images.length === 0 ? [] : await runBatch(images, options.extractor)
    if (options.release === true) freeArrays(images.map(({ tensor }) => tensor))
    let next = 0
    for (const row of rows) yield row.kind === 'image' ? results[next++]! : row
    if (options.release === true) freeArrays(results.flatMap(activationsOf))
  }

  for await (const row of prepared) {
    if (row.kind === 'image') {
      if (batchSize === 0) batchSize = typeof options.batchSize === 'number' ? options.batchSize : await options.batchSize()
      const full = crops + row.crops > batchSize || options.fits?.(row.inputSize, crops + row.crops) === false
      if (first !== undefined && (full || !fitTogether(first, row))) yield* flush()
      first ??= row
      crops += row.crops
    }
    pending.push(row)
    // Finished rows wait for the images before them, within bounds.
    if (first === undefined || crops >= batchSize || pending.length >= batchSize + mostWaiting) yield* flush()
  }
  yield* flush()
}
