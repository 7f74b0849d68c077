import {
  bytesOf,
  doubleToFloat,
  elementCount,
  formatShape,
  LayermillError,
  protobuf,
  type ProtobufField,
  ProtobufReader,
  type RandomAccess,
  readBytes,
} from '@layermill/core'
import type { TensorEntry, TensorFile } from '../types.js'

const { BYTES, FIXED32, FIXED64, VARINT } = protobuf

/** ProtobufField numbers of a layer's name and blobs, in the layouts of before (V1) and since 2015. */
const layouts: Readonly<Record<number, { name: number; blobs: number }>> = {
  2: { name: 4, blobs: 6 },
  100: { name: 1, blobs: 7 },
}
const blobFields = { num: 1, width: 4, data: 5, shape: 7, doubleData: 8 }
/** BlobShape.dim */
const dimField = 1
const maxName = 1024
const maxRank = 32
const chunk = 4 * 1024 * 1024

/** Neighbouring bytes of the file that hold `count` numbers of `width` bytes, each after a tag of `tag` bytes (0 when packed). */
interface Run {
  readonly start: number
  readonly count: number
  readonly width: 4 | 8
  readonly tag: number
}

interface Blob {
  /** num, channels, height, width; empty when the blob has a `shape` instead. */
  readonly legacy: number[]
  readonly shape: number[]
  readonly floats: Run[]
  readonly doubles: Run[]
}

const countOf = (runs: readonly Run[]): number => runs.reduce((sum, run) => sum + run.count, 0)

/** Offset in `bytes` from which the mark no longer stands at every multiple of `stride`. */
function repeatsUntil(bytes: Uint8Array, mark: Uint8Array, stride: number): number {
  let offset = 0
  for (; offset < bytes.length; offset += stride) {
    for (let i = 0; i < mark.length; i++) if (bytes[offset + i] !== mark[i]) return offset
  }
  return offset
}

/**
 * Adds a field of numbers and returns where it ends. Values that are not packed lie one after another, each with its tag: all are taken.
 */
async function addRun(
  file: RandomAccess,
  reader: ProtobufReader,
  runs: Run[],
  field: ProtobufField,
  fieldStart: number,
  end: number,
  width: 4 | 8,
): Promise<number> {
  if (field.wireType === BYTES) {
    if ((field.end - field.start) % width !== 0) throw reader.malformed(`the numbers at byte ${field.start} end in the middle of one`)
    runs.push({ start: field.start, count: (field.end - field.start) / width, width, tag: 0 })
    return field.end
  }
  if (field.wireType !== (width === 4 ? FIXED32 : FIXED64))
    throw reader.malformed(`the numbers at byte ${field.start} are of wire type ${field.wireType}`)
  const tag = field.start - fieldStart
  const stride = tag + width
  const mark = await readBytes(file, fieldStart, tag)
  const limit = Math.min(end, file.size)
  let position = fieldStart
  let repeats = true
  while (repeats && position + stride <= limit) {
    const bytes = await readBytes(file, position, Math.min(Math.floor(chunk / stride), Math.floor((limit - position) / stride)) * stride)
    const offset = repeatsUntil(bytes, mark, stride)
    repeats = offset === bytes.length
    position += offset
  }
  runs.push({ start: fieldStart, count: (position - fieldStart) / stride, width, tag })
  return position
}

async function readDims(
  reader: ProtobufReader,
  field: ProtobufField,
  shape: number[],
  bytes: (from: number, to: number) => Promise<Buffer>,
): Promise<void> {
  for await (const dim of reader.fields(field.start, field.end)) {
    if (dim.number !== dimField) continue
    if (dim.wireType === VARINT) shape.push(dim.value)
    else if (dim.wireType === BYTES) shape.push(...varints(await bytes(dim.start, dim.end)))
    if (shape.length > maxRank) throw reader.malformed(`a blob at byte ${field.start} has more than ${maxRank} dimensions`)
  }
}

function varints(bytes: Buffer): number[] {
  const values: number[] = []
  let value = 0
  let scale = 1
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale
    scale *= 128
    if (byte >= 0x80) continue
    values.push(value)
    value = 0
    scale = 1
  }
  return values
}

async function readBlob(file: RandomAccess, reader: ProtobufReader, start: number, end: number): Promise<Blob> {
  const blob: Blob = { legacy: [], shape: [], floats: [], doubles: [] }
  let position = start
  while (position < end) {
    const field = await reader.field(position, end)
    let next = field.end
    if (field.number >= blobFields.num && field.number <= blobFields.width && field.wireType === VARINT)
      blob.legacy[field.number - blobFields.num] = field.value
    else if (field.number === blobFields.data) next = await addRun(file, reader, blob.floats, field, position, end, 4)
    else if (field.number === blobFields.doubleData) next = await addRun(file, reader, blob.doubles, field, position, end, 8)
    else if (field.number === blobFields.shape && field.wireType === BYTES) {
      await readDims(reader, field, blob.shape, (from, to) => readBytes(file, from, Math.min(to - from, 10 * maxRank)))
    }
    position = next
  }
  return blob
}

async function readRun(file: RandomAccess, run: Run, target: Float32Array): Promise<void> {
  if (run.tag === 0 && run.width === 4) {
    await file.read(run.start, bytesOf(target))
    return
  }
  const stride = run.tag + run.width
  const perChunk = Math.floor(chunk / stride)
  for (let done = 0; done < run.count; done += perChunk) {
    const count = Math.min(perChunk, run.count - done)
    const bytes = await readBytes(file, run.start + done * stride, count * stride)
    if (run.tag === 0) {
      target.set(doubleToFloat(bytes), done)
      continue
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = 0, at = run.tag; i < count; i++, at += stride) {
      target[done + i] = run.width === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true)
    }
  }
}

function entryOf(file: RandomAccess, reader: ProtobufReader, name: string, blob: Blob): TensorEntry {
  const shape = blob.legacy.length > 0 ? [0, 1, 2, 3].map(axis => blob.legacy[axis] ?? 0) : blob.shape
  const runs = blob.doubles.length > 0 ? blob.doubles : blob.floats
  const count = countOf(runs)
  if (count !== elementCount(shape)) throw reader.malformed(`${name} has ${count} numbers, but its shape is ${formatShape(shape)}`)
  return {
    shape,
    dtype: blob.doubles.length > 0 ? 'double' : 'float',
    async read() {
      const data = new Float32Array(count)
      let done = 0
      for (const run of runs) {
        await readRun(file, run, data.subarray(done, done + run.count))
        done += run.count
      }
      return data
    },
  }
}

async function readLayer(
  file: RandomAccess,
  reader: ProtobufReader,
  layer: ProtobufField,
  entries: Map<string, TensorEntry>,
): Promise<void> {
  const layout = layouts[layer.number]!
  const blobs: Blob[] = []
  let name = ''
  for await (const field of reader.fields(layer.start, layer.end)) {
    if (field.wireType !== BYTES) continue
    if (field.number === layout.name)
      name = (await readBytes(file, field.start, Math.min(field.end - field.start, maxName))).toString('utf8')
    else if (field.number === layout.blobs) blobs.push(await readBlob(file, reader, field.start, field.end))
  }
  for (const [i, blob] of blobs.entries()) {
    const entry = `${name}[${i}]`
    if (entries.has(entry)) throw reader.malformed(`two layers are called ${name}`)
    entries.set(entry, entryOf(file, reader, entry, blob))
  }
}

/**
 * Opens a `.caffemodel` (old `layers` and new `layer`). Tensors are called `LAYER[BLOB]`: `conv1[0]` is its weight, `conv1[1]` its
 * bias, `bn_conv1[2]` a batch norm's scale factor. Shapes of old files have four dimensions, with ones in front.
 * @throws LayermillError `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`.
 */
export async function openCaffemodel(file: RandomAccess): Promise<TensorFile> {
  const reader = new ProtobufReader(
    file,
    reason => new LayermillError('WEIGHTS_FORMAT', `${file.name} is not a valid .caffemodel: ${reason}`),
  )
  const entries = new Map<string, TensorEntry>()
  let layout = 0
  for await (const field of reader.fields(0, file.size)) {
    if (!(field.number in layouts) || field.wireType !== BYTES) continue
    if (layout !== 0 && layout !== field.number) throw reader.malformed('it has layers of both layouts')
    layout = field.number
    await readLayer(file, reader, field, entries)
  }
  if (entries.size === 0) throw reader.malformed('no layer in it has weights')
  return {
    name: file.name,
    format: 'caffemodel',
    entries,
    metadata: new Map(),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
