import {
  bytesOf,
  elementCount,
  LayermillError,
  mostSafetensorsHeaderBytes,
  safetensorsMetadata,
  safetensorsHeader,
  safetensorsText,
  safetensorsTextBytes,
  type Tensor,
  type TensorMap,
} from '@layermill/core'

/** Everything that a run needs to go on bit for bit: plain JSON, and tensors by name. */
export interface Checkpoint {
  readonly state: Readonly<Record<string, unknown>>
  readonly tensors: TensorMap
}

/** Header length, then JSON: the safetensors layout, so that any reader of that format sees the tensors. */
const lengthBytes = 8
const alignment = 8

/** JSON that keeps doubles that JSON has no word for, and the sign of zero. */
const special = new Map<string, number>([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-0', -0],
])

function encodeNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || (Number.isFinite(value) && !Object.is(value, -0))) return value
  return { $number: Object.is(value, -0) ? '-0' : String(value) }
}

function decodeNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$number' in value)) return value
  return special.get(String(value.$number))
}

/**
 * A checkpoint as a safetensors file: `chunks` after each other, tensors not copied. The JSON state is metadata `state`.
 */
export function serializeCheckpoint({ state, tensors }: Checkpoint): { bytes: number; chunks: Uint8Array[] } {
  const items = [...tensors].map(([name, { shape, data }]) => ({ name, dtype: 'F32', shape, bytes: data.byteLength }))
  const metadata = { format: 'layermill-checkpoint', state: JSON.stringify(state, encodeNumber) }
  const chunks = [safetensorsHeader(safetensorsText(items, metadata), alignment), ...[...tensors.values()].map(({ data }) => bytesOf(data))]
  return { bytes: chunks.reduce((sum, { length }) => sum + length, 0), chunks }
}

interface HeaderEntry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

const corrupt = (what: string, cause?: unknown): LayermillError =>
  new LayermillError('CHECKPOINT_CORRUPT', `not a checkpoint: ${what}`, { cause, hint: 'take the checkpoint before it' })

function parseHeader(bytes: Uint8Array): { header: Record<string, unknown>; start: number } {
  if (bytes.length < lengthBytes) throw corrupt(`${bytes.length} bytes`)
  const length = safetensorsTextBytes(bytes)
  if (length > mostSafetensorsHeaderBytes || lengthBytes + length > bytes.length)
    throw corrupt(`a header of ${length} bytes in a file of ${bytes.length}`)
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + lengthBytes, length).toString('utf8')
    return { header: JSON.parse(text) as Record<string, unknown>, start: lengthBytes + length }
  } catch (cause) {
    throw corrupt('the header is no JSON', cause)
  }
}

function readTensor(bytes: Uint8Array, start: number, name: string, entry: HeaderEntry): Tensor {
  const [begin, end] = entry.data_offsets
  const data = bytes.subarray(start + begin, start + end)
  if (entry.dtype !== 'F32' || data.length !== elementCount(entry.shape) * 4) {
    throw corrupt(`${name} has ${data.length} bytes for ${entry.dtype} of ${entry.shape.join('x')}`)
  }
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice()
  return { shape: entry.shape, data: new Float32Array(aligned.buffer, aligned.byteOffset, data.length / 4) }
}

/**
 * The checkpoint in a file's bytes. Tensors are views on them where they are aligned.
 * @throws LayermillError `CHECKPOINT_CORRUPT` for a truncated or foreign file.
 */
export function deserializeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { header, start } = parseHeader(bytes)
  const metadata = header[safetensorsMetadata] as { format?: string; state?: string } | undefined
  if (metadata?.format !== 'layermill-checkpoint' || metadata.state === undefined) throw corrupt('it has no state')
  const tensors = new Map<string, Tensor>()
  for (const [name, entry] of Object.entries(header)) {
    if (name !== safetensorsMetadata) tensors.set(name, readTensor(bytes, start, name, entry as HeaderEntry))
  }
  return { state: JSON.parse(metadata.state, decodeNumber) as Record<string, unknown>, tensors }
}
