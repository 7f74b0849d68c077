import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Dataset, File as H5File } from 'h5wasm/node'
import { elementCount, errorMessage, halfToFloat, LayermillError, type RandomAccess, readBytes, truncated } from '@layermill/core'
import type { TensorEntry, TensorFile } from '../types.js'
import { kerasFacts, maxConfigBytes } from './keras-config.js'
import { type KerasPath, parseKerasPath } from './keras-paths.js'

const signature = '\x89HDF\r\n\x1a\n'
/** A dataset is taken out of the library's memory in pieces of about this many numbers: that memory never shrinks again. */
const pieceBytes = 4 * 1024 * 1024
const copy = 8 * 1024 * 1024
/** Groups and datasets; ResNet-152 with an optimizer's state has about 5,000. */
const maxObjects = 50_000

function malformed(name: string, what: string, cause?: unknown): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${name} is not a readable HDF5 file: ${what}`, { cause })
}

/** Finds a cut-off file before the library does, which would print its whole call stack. Superblocks of version 0 to 3. */
async function checkSuperblock(file: RandomAccess): Promise<void> {
  if (file.size < 48) throw truncated(file, 48)
  const head = await readBytes(file, 0, 48)
  if (head.toString('latin1', 0, 8) !== signature) throw malformed(file.name, 'it does not begin with the signature')
  const version = head[8]!
  if (version > 3) throw malformed(file.name, `its superblock is of version ${version}`)
  const sizeOfOffsets = version < 2 ? head[13] : head[9]
  if (sizeOfOffsets !== 8) throw malformed(file.name, `its addresses are of ${sizeOfOffsets} bytes; 8 were expected`)
  // base address, then free-space (or extension) address, then end of file
  const end = Number(head.readBigUInt64LE((version === 0 ? 24 : version === 1 ? 28 : 12) + 16))
  if (end > file.size) throw truncated(file, end)
}

/** The library reads only from disk: what lies elsewhere is copied there first. */
async function onDisk(file: RandomAccess): Promise<{ path: string; remove: () => Promise<void> }> {
  if (file.path !== undefined) return { path: file.path, remove: () => Promise.resolve() }
  const folder = await mkdtemp(join(tmpdir(), 'layermill-'))
  const path = join(folder, 'weights.h5')
  const handle = await open(path, 'w')
  try {
    for (let offset = 0; offset < file.size; offset += copy)
      await handle.write(await readBytes(file, offset, Math.min(copy, file.size - offset)))
  } finally {
    await handle.close()
  }
  return { path, remove: () => rm(folder, { recursive: true, force: true }) }
}

type Numbers = number | Float32Array | Float64Array
type Ranges = Parameters<Dataset['slice']>[0]

/** Numbers of a dataset, all of it where no ranges are given; undefined where they are no floats. */
function floatsOf(dataset: Dataset, ranges: Ranges | undefined): Numbers | undefined {
  const { metadata, dtype } = dataset
  const isHalf = metadata.size === 2 && dtype === '<e'
  if (!isHalf) {
    const values: unknown = ranges === undefined ? dataset.value : dataset.slice(ranges)
    return typeof values === 'number' || values instanceof Float32Array || values instanceof Float64Array ? values : undefined
  }
  // The library has no array of halves: they are taken as integers of as many bytes.
  const raw: Dataset = Object.create(dataset, { metadata: { value: { ...metadata, type: 0, signed: false } } }) as Dataset
  const read: unknown = ranges === undefined ? raw.value : raw.slice(ranges)
  const bits = typeof read === 'number' ? Uint16Array.of(read) : read
  return bits instanceof Uint16Array ? halfToFloat(new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength)) : undefined
}

function readDataset(name: string, dataset: Dataset, shape: readonly number[]): Float32Array {
  const data = new Float32Array(elementCount(shape))
  if (data.length === 0) return data
  const rowLength = elementCount(shape.slice(1))
  const rows = shape.length === 0 ? 1 : shape[0]!
  const step = Math.max(1, Math.floor(pieceBytes / rowLength))
  for (let row = 0; row < rows; row += step) {
    const until = Math.min(rows, row + step)
    const piece = floatsOf(dataset, shape.length === 0 ? undefined : [[row, until], ...shape.slice(1).map((): [] => [])])
    if (piece === undefined) throw malformed(name, `its type is ${JSON.stringify(dataset.dtype)}; float16, float32 or float64 was expected`)
    if (typeof piece === 'number') data[0] = piece
    else data.set(piece, row * rowLength)
  }
  return data
}

/** An attribute that is a text; undefined where there is none. */
function textOf(object: Pick<H5File, 'attrs'>, name: string): string | undefined {
  const value: unknown = object.attrs[name]?.value
  return typeof value === 'string' ? value : undefined
}

/** The layer's own name, which Keras 3 keeps beside the variables; else its class and number. */
function layerName(h5: H5File, { variables, layer }: KerasPath): string {
  const group = variables === undefined ? null : h5.get(variables)
  return group !== null && 'attrs' in group ? (textOf(group, 'name') ?? layer) : layer
}

function listDatasets(file: RandomAccess, h5: H5File): Map<string, TensorEntry> {
  const entries = new Map<string, TensorEntry>()
  // Files of whole models, not only of weights, keep them in a group of this name.
  const prefix = h5.keys().includes('model_weights') ? 'model_weights/' : ''
  const paths = h5.paths()
  if (paths.length > maxObjects) throw malformed(file.name, `it has ${paths.length} objects (at most ${maxObjects})`)
  for (const path of paths) {
    if (!path.startsWith(prefix)) continue
    const entity = h5.get(path)
    if (entity === null || !('shape' in entity) || !('slice' in entity)) continue
    const parsed = parseKerasPath(path.slice(prefix.length))
    if (parsed === undefined) continue
    const layer = layerName(h5, parsed)
    const name = parsed.role === undefined || layer === '' ? path.slice(prefix.length) : `${layer}/${parsed.role}`
    if (entries.has(name)) throw malformed(file.name, `two datasets would be ${name}`)
    const shape = entity.shape ?? []
    entries.set(name, {
      shape,
      dtype: typeof entity.dtype === 'string' ? entity.dtype : JSON.stringify(entity.dtype),
      read: () => Promise.resolve().then(() => readDataset(`${path} in ${file.name}`, entity, shape)),
    })
  }
  return entries
}

/**
 * Opens a Keras weight file. Tensors are called `LAYER/ROLE` (`fc1/kernel`, `conv1_bn/moving_mean`), whichever version of Keras wrote it.
 * @throws LayermillError `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`.
 */
export async function openH5(file: RandomAccess): Promise<TensorFile> {
  await checkSuperblock(file)
  // Loaded only when needed: it is four megabytes of WebAssembly.
  const library = await import('h5wasm/node')
  await library.ready
  const { path, remove } = await onDisk(file)
  let h5: H5File | undefined
  const close = async (): Promise<void> => {
    h5?.close()
    h5 = undefined
    await remove()
  }
  try {
    h5 = new library.File(path, 'r')
    const config = textOf(h5, 'model_config') ?? ''
    const model = config.length > maxConfigBytes ? {} : kerasFacts(config)
    return {
      name: file.name,
      format: 'h5',
      entries: listDatasets(file, h5),
      metadata: new Map(),
      model,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (cause) {
    await close().catch(() => undefined)
    throw cause instanceof LayermillError ? cause : malformed(file.name, errorMessage(cause), cause)
  }
}
