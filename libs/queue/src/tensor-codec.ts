import { createHash } from 'node:crypto'
import { elementCount, errorMessage, fromBfloat16, LayermillError, type Tensor, type TensorMap, toBfloat16 } from '@layermill/core'
import * as z from 'zod'

export type ExchangeType = 'float32' | 'bfloat16'

/**
 * Tensors as bytes: `LMTX`, version (uint32), header length (uint32), SHA-256 of all that follows it, the header as JSON
 * (dtype; names and shapes in order), then each tensor's numbers, little-endian, one after another from a multiple of 8 on.
 */
const magic = 0x5854_4d4c
const version = 1
const fixedBytes = 12 + 32

const Header = z.strictObject({
  dtype: z.enum(['float32', 'bfloat16']),
  tensors: z.array(z.tuple([z.string().max(500), z.array(z.int().min(0)).max(8)])),
})

const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** Tensors to bytes. Throws `EXCHANGE_INVALID` where a tensor's data is not its shape's size. */
export function encodeTensors(tensors: TensorMap, dtype: ExchangeType = 'float32'): Uint8Array {
  for (const [name, { shape, data }] of tensors) {
    if (elementCount(shape) !== data.length) {
      throw new LayermillError(
        'EXCHANGE_INVALID',
        `${name}: ${data.length} numbers, expected ${elementCount(shape)} for shape [${shape.join(', ')}]`,
      )
    }
  }
  const header = Buffer.from(JSON.stringify({ dtype, tensors: [...tensors].map(([name, { shape }]) => [name, shape]) }))
  const start = aligned(fixedBytes + header.length)
  const size = dtype === 'float32' ? 4 : 2
  const total = [...tensors.values()].reduce((sum, { data }) => sum + data.length * size, start)
  const bytes = Buffer.alloc(total)
  bytes.writeUInt32LE(magic, 0)
  bytes.writeUInt32LE(version, 4)
  bytes.writeUInt32LE(header.length, 8)
  header.copy(bytes, fixedBytes)
  let offset = start
  for (const { data } of tensors.values()) {
    bytes.set(bytesOf(dtype === 'float32' ? data : toBfloat16(data)), offset)
    offset += data.length * size
  }
  createHash('sha256').update(bytes.subarray(fixedBytes)).digest().copy(bytes, 12)
  return bytes
}

function corrupt(reason: string): LayermillError {
  return new LayermillError('EXCHANGE_CORRUPT', `exchanged tensors: ${reason}`)
}

function parseHeader(text: string): z.output<typeof Header> {
  try {
    return Header.parse(JSON.parse(text))
  } catch (error) {
    throw corrupt(`header: ${errorMessage(error)}`)
  }
}

/** Bytes to tensors, each in memory of its own. Throws `EXCHANGE_CORRUPT` where they are not what `encodeTensors` wrote. */
export function decodeTensors(input: Uint8Array): Map<string, Tensor> {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  if (bytes.length < fixedBytes || bytes.readUInt32LE(0) !== magic) throw corrupt('not tensors')
  if (bytes.readUInt32LE(4) !== version) throw corrupt(`version ${bytes.readUInt32LE(4)}, expected ${version}`)
  if (!createHash('sha256').update(bytes.subarray(fixedBytes)).digest().equals(bytes.subarray(12, fixedBytes)))
    throw corrupt('the checksum does not fit')
  const headerBytes = bytes.readUInt32LE(8)
  const header = parseHeader(bytes.subarray(fixedBytes, fixedBytes + headerBytes).toString())
  const size = header.dtype === 'float32' ? 4 : 2
  const tensors = new Map<string, Tensor>()
  let offset = aligned(fixedBytes + headerBytes)
  for (const [name, shape] of header.tensors) {
    const end = offset + elementCount(shape) * size
    if (end > bytes.length) throw corrupt(`${name} ends after the last byte`)
    // A copy: typed arrays need their alignment, and Redis' buffers come from a pool.
    const copy = Uint8Array.from(bytes.subarray(offset, end)).buffer
    tensors.set(name, { shape, data: header.dtype === 'float32' ? new Float32Array(copy) : fromBfloat16(new Uint16Array(copy)) })
    offset = end
  }
  if (offset !== bytes.length) throw corrupt('bytes after the last tensor')
  return tensors
}
