import { freeArrays, LayermillError } from '@layermill/core'
import { type FeatureFormat, featurePath } from '@layermill/contracts'
import { mapOrdered } from '../prefetch.js'
import type { IndexRow } from '../records/index-rows.js'
import { openIndex, type PartIndex } from '../records/read.js'
import type { Store } from '../store.js'
import { openRanges, readFeatureRows } from './read.js'
import { type FeatureRows, lengthOf, type RangeSource } from './types.js'

/** Bytes of float32 values in a block, and blocks read at once: 64 MiB in all, as much again where they are stored as float16. */
const blockBytes = 8 * 1024 * 1024
const blocksAtOnce = 8
/** Parts whose index is read ahead. */
const partsAhead = 4

/** Which values of a run's features: one layer of one image. */
export interface FeaturePlace {
  readonly layer: string
  readonly format: FeatureFormat
  readonly rowShape: readonly number[]
}

/** Some rows of one part, one behind the other, with the images that they are of. */
export interface FeatureBlock {
  readonly part: number
  readonly rows: readonly IndexRow[]
  /** Numbers in a row; `values` holds `rows.length` times as many. */
  readonly length: number
  readonly values: Float32Array
}

export interface StreamOptions {
  /** Bytes of float32 values in a block, at least a row of them. Default 8 MiB. */
  readonly blockBytes?: number
  /** Blocks read at once. Default 8. */
  readonly concurrency?: number
  /** Reads later blocks into the memory of earlier ones: a block's values hold only until the next block is asked for. */
  readonly reuse?: boolean
  readonly signal?: AbortSignal | undefined
}

/** The same, with the part's index in the place of its rows: making these takes longer than reading the values. */
export interface VectorBlock extends Omit<FeatureBlock, 'rows'> {
  readonly index: PartIndex
  /** Row of the part, and so of the index, that the block begins with. */
  readonly start: number
  /** Rows in the block. */
  readonly count: number
}

/** Rows to be read from a part. */
interface Wanted {
  readonly part: number
  readonly index: PartIndex
  readonly start: number
  readonly end: number
  /** The file, where it is read in ranges; else it is small enough to be read whole. */
  readonly ranges: RangeSource | undefined
}

/** Cuts the parts into blocks of rows, reading indexes a little ahead. */
async function* wantedBlocks(store: Store, place: FeaturePlace, parts: Iterable<number>, rowsABlock: number): AsyncGenerator<Wanted> {
  const opened = mapOrdered(parts, partsAhead, async part => {
    const index = await openIndex(store, part)
    // A file of one layer that is one block costs one request.
    const whole = place.format === 'npy' && index.length <= rowsABlock
    return {
      part,
      index,
      ranges: whole || index.length === 0 ? undefined : await openRanges(store, featurePath(place.layer, part, place.format)),
    }
  })
  for await (const { part, index, ranges } of opened) {
    for (let start = 0; start < index.length; start += rowsABlock) {
      yield { part, index, ranges, start, end: Math.min(start + rowsABlock, index.length) }
    }
  }
}

/** A source whose every read goes into one memory: for a format whose reads follow each other, and whose rows are the last. */
const readInto = (source: RangeSource, room: Uint8Array | undefined): RangeSource => ({
  bytes: source.bytes,
  range: (start, end) => source.range(start, end, room),
})

async function readWanted(
  store: Store,
  { layer, format }: FeaturePlace,
  { part, index, start, end, ranges }: Wanted,
  room: Uint8Array | undefined,
): Promise<FeatureRows> {
  // The last block takes all that is left, so that a file with more rows than images is found out.
  const rows = end === index.length ? { start } : { start, end }
  if (ranges !== undefined) return readFeatureRows(format, format === 'npy' ? readInto(ranges, room) : ranges, layer, rows)
  const path = featurePath(layer, part, format)
  const bytes = room === undefined ? await store.get(path) : await store.getRange(path, 0, Number.MAX_SAFE_INTEGER, room)
  if (bytes === undefined) throw new LayermillError('FILE_MISSING', `${store.url}: no ${path}`)
  return readFeatureRows(format, bytes, layer, rows)
}

async function readBlock(store: Store, place: FeaturePlace, wanted: Wanted, room: Uint8Array | undefined): Promise<VectorBlock> {
  const { shape, data } = await readWanted(store, place, wanted, room)
  const where = `${store.url}/${featurePath(place.layer, wanted.part, place.format)}`
  const [rows = 0, ...rowShape] = shape
  if (rows !== wanted.end - wanted.start) {
    throw new LayermillError(
      'FEATURES_INVALID',
      `${where} has ${wanted.start + rows} rows of ${place.layer}, its index ${wanted.index.length} images`,
    )
  }
  if (String(rowShape) !== String(place.rowShape)) {
    throw new LayermillError(
      'ROW_INVALID',
      `${where}: rows of ${place.layer} are ${rowShape.join('x')}, expected ${place.rowShape.join('x')}`,
    )
  }
  const { part, index, start, end } = wanted
  return { part, index, start, count: end - start, length: lengthOf(rowShape), values: data }
}

/**
 * The features of one layer with the images that they are of, part by part in the order given and row by row, in blocks of bounded size
 * that are read ahead. float16 values come as float32.
 *
 * @throws LayermillError `FILE_MISSING` (also where an update replaces a part meanwhile), `FEATURES_INVALID`, `ROW_INVALID`,
 * `LAYER_MISSING`, what
 *   the store throws; the signal's reason
 */
export async function* streamFeatures(
  store: Store,
  place: FeaturePlace,
  parts: Iterable<number>,
  options: StreamOptions = {},
): AsyncGenerator<FeatureBlock> {
  for await (const { part, index, start, count, length, values } of streamVectors(store, place, parts, options))
    yield { part, rows: (await index.rows()).slice(start, start + count), length, values }
}

/**
 * As `streamFeatures`, with rows of an index made only where they are asked for.
 * @throws as `streamFeatures`
 */
export async function* streamVectors(
  store: Store,
  place: FeaturePlace,
  parts: Iterable<number>,
  options: StreamOptions = {},
): AsyncGenerator<VectorBlock> {
  const rowBytes = Math.max(1, lengthOf(place.rowShape)) * 4
  const rowsABlock = Math.max(1, Math.floor((options.blockBytes ?? blockBytes) / rowBytes))
  const wanted = wantedBlocks(store, place, parts, rowsABlock)
  const rooms = options.reuse === true ? new Rooms(rowsABlock * rowBytes + headerBytes) : undefined
  const read = async (each: Wanted): Promise<{ block: VectorBlock; room: Uint8Array | undefined }> => {
    const room = rooms?.take()
    return { block: await readBlock(store, place, each, room), room }
  }
  try {
    for await (const { block, room } of mapOrdered(wanted, options.concurrency ?? blocksAtOnce, read)) {
      options.signal?.throwIfAborted()
      yield block
      if (room !== undefined) rooms?.give(room)
    }
  } finally {
    rooms?.free()
  }
}

/** Bytes that the header of a `.npy` file fits; a file with a longer one gets memory of its own. */
const headerBytes = 4096

/** Memories of one size, for blocks that are read one after the other. */
class Rooms {
  private readonly all: Uint8Array[] = []
  private readonly unused: Uint8Array[] = []

  constructor(private readonly bytes: number) {}

  take(): Uint8Array {
    const unused = this.unused.pop()
    if (unused !== undefined) return unused
    const made = new Uint8Array(this.bytes)
    this.all.push(made)
    return made
  }

  give(room: Uint8Array): void {
    this.unused.push(room)
  }

  /** Gives the memory back at once: the collector would come for it much later. */
  free(): void {
    freeArrays(this.all)
  }
}
