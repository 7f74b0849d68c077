import { keyOfBytes } from '../../raw-names.js'

/** Bytes of a block: headers are one, bodies are padded to whole ones. */
export const tarBlockBytes = 512

/** Content of a header block. Names are as written: neither joined with what extends them nor made safe. */
export interface TarHeader {
  /** Of the entry's body. */
  readonly size: number
  /** `0` a file, `5` a folder, `L` a GNU long name, `x` pax fields, ...; a NUL is given as `0`. */
  readonly type: string
  readonly name: string
}

/** The end of an archive begins with a block of zeros. */
export const isZero = (block: Uint8Array): boolean => block.every(byte => byte === 0)

const upToNul = (bytes: Uint8Array): Uint8Array => {
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

/** A name field as a key: bytes that are not UTF-8 are kept in it. */
export const nameOf = (bytes: Uint8Array): string => keyOfBytes(upToNul(bytes))

/** An octal number, or where the first bit is set a big-endian one (GNU, for 8 GiB and more); undefined where it is neither. */
function number(bytes: Uint8Array): number | undefined {
  if (((bytes[0] ?? 0) & 0x80) !== 0) {
    let value = (bytes[0] ?? 0) & 0x7f
    for (const byte of bytes.subarray(1)) value = value * 256 + byte
    return Number.isSafeInteger(value) ? value : undefined
  }
  const digits = new TextDecoder('latin1')
    .decode(bytes)
    .replace(/\0[\s\S]*$/, '')
    .trim()
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits === '' ? '0' : digits, 8) : undefined
}

/** The sum that a header states must be that of its bytes; old writers added them as signed ones. */
function sumHolds(block: Uint8Array): boolean {
  let unsigned = 0
  let signed = 0
  for (const [at, byte] of block.entries()) {
    const value = at >= 148 && at < 156 ? 32 : byte
    unsigned += value
    signed += value > 127 ? value - 256 : value
  }
  const stated = number(block.subarray(148, 156))
  return stated === unsigned || stated === signed
}

/** Reads a header block of any kind of tar (v7, ustar, pax, GNU); undefined where it is none. */
export function readTarHeader(block: Uint8Array): TarHeader | undefined {
  const size = number(block.subarray(124, 136))
  if (size === undefined || !sumHolds(block)) return undefined
  const flag = block[156] ?? 0
  const type = flag === 0 ? '0' : String.fromCharCode(flag)
  const name = nameOf(block.subarray(0, 100))
  // GNU's own format has times where ustar has the front part of the name.
  const isUstar = new TextDecoder('latin1').decode(block.subarray(257, 263)) === 'ustar\0'
  const prefix = isUstar ? nameOf(block.subarray(345, 500)) : ''
  // A hard link has no body, whatever size it states.
  return { size: type === '1' ? 0 : size, type, name: prefix === '' ? name : `${prefix}/${name}` }
}

/** A GNU sparse file's header goes on in further blocks while this is set. */
export const goesOn = (block: Uint8Array, at: 482 | 504): boolean => block[at] === 1

/**
 * The fields of a pax header (`length key=value\n`, the length in bytes and of itself too); undefined where it is damaged.
 */
export function readPax(body: Uint8Array): Map<string, string> | undefined {
  const fields = new Map<string, string>()
  for (let start = 0; start < body.byteLength;) {
    const space = body.indexOf(32, start)
    const length = space < 0 ? 0 : Number(new TextDecoder('latin1').decode(body.subarray(start, space)))
    const end = start + length
    if (space < 0 || !Number.isSafeInteger(length) || end <= space || end > body.byteLength || body[end - 1] !== 10) return undefined
    const record = body.subarray(space + 1, end - 1)
    const equals = record.indexOf(61)
    if (equals < 1) return undefined
    const field = new TextDecoder().decode(record.subarray(0, equals))
    const value = record.subarray(equals + 1)
    fields.set(field, field === 'path' ? keyOfBytes(value) : new TextDecoder().decode(value))
    start = end
  }
  return fields
}
