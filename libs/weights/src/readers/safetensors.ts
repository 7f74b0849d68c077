import {
  bfloatToFloat,
  bytesOf,
  doubleToFloat,
  elementCount,
  errorMessage,
  halfToFloat,
  int64ToFloat,
  LayermillError,
  type RandomAccess,
  readBytes,
  safetensorsMetadata,
  safetensorsTextBytes,
  truncated,
} from '@layermill/core'
import type { ReadOptions, TensorEntry, TensorFile } from '../types.js'

/** Less than the reference implementation accepts (100 MB, which takes a gigabyte to parse); ResNet-152's has 100 kB. */
const maxHeader = 8 * 1024 * 1024
/** ResNet-152 with an optimizer's state has about 3,000. */
const maxTensors = 20_000

/** Bytes per element of the types that are read; the others are listed but cannot be. */
const widths: Readonly<Record<string, number>> = {
  F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, U64: 8, I32: 4, U32: 4, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1,
} // prettier-ignore

const converters: Readonly<Record<string, (bytes: Uint8Array) => Float32Array>> = {
  F64: doubleToFloat,
  F16: halfToFloat,
  BF16: bfloatToFloat,
  I64: int64ToFloat,
}

interface TensorRecord {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

function malformed(file: RandomAccess, what: string): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${file.name} is not a valid safetensors file: ${what}`)
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

async function readHeader(file: RandomAccess): Promise<{ header: Record<string, unknown>; start: number }> {
  if (file.size < 8) throw truncated(file, 8)
  const length = safetensorsTextBytes(await readBytes(file, 0, 8))
  if (length > maxHeader) throw malformed(file, `its header would be ${length} bytes long (at most ${maxHeader})`)
  const text = (await readBytes(file, 8, length)).toString('utf8')
  if (!text.startsWith('{')) throw malformed(file, 'its header is not a JSON object')
  try {
    const header: unknown = JSON.parse(text)
    if (isObject(header)) return { header, start: 8 + length }
  } catch (cause) {
    throw malformed(file, `its header is not JSON (${errorMessage(cause)})`)
  }
  throw malformed(file, 'its header is not a JSON object')
}

function parseRecord(file: RandomAccess, name: string, value: unknown): TensorRecord {
  if (!isObject(value)) throw malformed(file, `the entry of ${name} is not an object`)
  const { dtype, shape } = value
  const offsets: unknown = value['data_offsets']
  if (typeof dtype !== 'string') throw malformed(file, `${name} has no dtype`)
  if (!Array.isArray(shape) || !shape.every(isCount)) throw malformed(file, `${name} has no valid shape`)
  if (!Array.isArray(offsets) || offsets.length !== 2) throw malformed(file, `${name} has no valid data_offsets`)
  const [begin, end] = offsets as unknown[]
  if (!isCount(begin) || !isCount(end) || end < begin) throw malformed(file, `${name} has no valid data_offsets`)
  const width = widths[dtype]
  const expected = width === undefined ? undefined : elementCount(shape) * width
  if (expected !== undefined && expected !== end - begin) {
    throw malformed(file, `${name} occupies ${end - begin} bytes, but its shape [${shape.join(', ')}] of ${dtype} takes ${expected}`)
  }
  return { name, dtype, shape, begin, end }
}

/** Tensors must lie end to end from the first byte of the data to the last of the file; doubled names show here as holes. */
function checkCoverage(file: RandomAccess, records: readonly TensorRecord[], start: number): void {
  let position = 0
  for (const record of records.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (record.begin !== position) {
      throw malformed(file, `the data of ${record.name} begin at ${record.begin} where ${position} was expected (a hole or an overlap)`)
    }
    position = record.end
  }
  if (start + position > file.size) throw truncated(file, start + position)
  if (start + position < file.size) throw malformed(file, `${file.size - start - position} bytes follow the last tensor`)
}

function entryOf(file: RandomAccess, record: TensorRecord, start: number, { handOver = false }: ReadOptions): TensorEntry {
  return {
    shape: record.shape,
    dtype: record.dtype,
    async read() {
      if (record.dtype === 'F32') {
        const bytes = record.end - record.begin
        // Shared, so that an engine's thread reads it where it is; shared memory that nobody needs any more is given back late.
        const data = new Float32Array(handOver ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes))
        await file.read(start + record.begin, bytesOf(data))
        return data
      }
      const convert = converters[record.dtype]
      if (convert === undefined) {
        throw new LayermillError(
          'WEIGHTS_FORMAT',
          `${record.name} in ${file.name} is of type ${record.dtype}; F32, F16, BF16 or F64 was expected`,
        )
      }
      return convert(await readBytes(file, start + record.begin, record.end - record.begin))
    },
  }
}

/**
 * Opens a `.safetensors` file; data need not be aligned.
 * @throws LayermillError `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`.
 */
export async function openSafetensors(file: RandomAccess, options: ReadOptions = {}): Promise<TensorFile> {
  const { header, start } = await readHeader(file)
  const count = Object.keys(header).length
  if (count > maxTensors) throw malformed(file, `it has ${count} tensors (at most ${maxTensors})`)
  const records: TensorRecord[] = []
  const metadata = new Map<string, string>()
  for (const [name, value] of Object.entries(header)) {
    if (name === safetensorsMetadata) {
      if (!isObject(value)) throw malformed(file, '__metadata__ is not an object')
      for (const [key, text] of Object.entries(value)) if (typeof text === 'string') metadata.set(key, text)
    } else {
      records.push(parseRecord(file, name, value))
    }
  }
  checkCoverage(file, records, start)
  const entries = new Map(records.map(record => [record.name, entryOf(file, record, start, options)]))
  return {
    name: file.name,
    format: 'safetensors',
    entries,
    metadata,
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
