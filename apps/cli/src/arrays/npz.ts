import { readFile, writeFile } from 'node:fs/promises'
import { crc32, inflateRawSync } from 'node:zlib'
import { errorCode, LayermillError } from '@layermill/core'
import type { RawTensor } from '@layermill/engines'
import { npyBytes, parseNpy } from './npy.js'

/*
 * Archives of arrays by any name. Libraries for zip archives refuse names that are no safe paths, as values of graphs have them
 * (`/conv1/Conv_output_0`). Names are keys here, and no file is ever made by them.
 */

const local = 0x04034b50
const central = 0x02014b50
const endSignature = 0x06054b50
/** Names are in UTF-8. */
const utf8 = 0x0800
/** 1980-01-01, the earliest date there is. */
const date = 0x21
/** Sizes without zip64. */
const mostBytes = 2 ** 32 - 1
/** DEFLATE cannot shrink more than about 1032 to 1. */
const maxRatio = 1040

const broken = (path: string, what: string): LayermillError =>
  new LayermillError('SPEC_INVALID', `${path} is no usable .npz archive: ${what}`, {
    hint: 'expected one that numpy.savez wrote, of up to 4 GB',
  })

/** The fields that local and central headers share, from `version needed` on. */
function sharedFields(name: Buffer, bytes: Buffer): Buffer {
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(utf8, 2)
  fields.writeUInt16LE(date, 8)
  fields.writeUInt32LE(crc32(bytes), 10)
  fields.writeUInt32LE(bytes.length, 14)
  fields.writeUInt32LE(bytes.length, 18)
  fields.writeUInt16LE(name.length, 22)
  return fields
}

/** Writes arrays by name, as `numpy.savez` does. @throws LayermillError `SPEC_INVALID` where they are more than 4 GB */
export async function writeNpzArrays(path: string, arrays: ReadonlyMap<string, RawTensor>): Promise<void> {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [key, array] of arrays) {
    const name = Buffer.from(`${key}.npy`)
    const bytes = npyBytes(key, array)
    const fields = sharedFields(name, bytes)
    const mark = Buffer.alloc(4)
    mark.writeUInt32LE(local)
    parts.push(mark, fields, name, bytes)
    const head = Buffer.alloc(6)
    head.writeUInt32LE(central)
    head.writeUInt16LE(20, 4)
    const rest = Buffer.alloc(14)
    if (offset > mostBytes) throw broken(path, 'it would have more than 4 GB')
    rest.writeUInt32LE(offset, 10)
    directory.push(head, fields, rest, name)
    offset += 4 + fields.length + name.length + bytes.length
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0)
  if (offset + size > mostBytes || arrays.size > 65_535) throw broken(path, 'it would have more than 4 GB, or more than 65535 arrays')
  const end = Buffer.alloc(22)
  end.writeUInt32LE(endSignature)
  end.writeUInt16LE(arrays.size, 8)
  end.writeUInt16LE(arrays.size, 10)
  end.writeUInt32LE(size, 12)
  end.writeUInt32LE(offset, 16)
  await writeFile(path, [...parts, ...directory, end])
}

function contentsOf(path: string, file: Buffer, at: number): Buffer {
  const [method, packed, full] = [file.readUInt16LE(at + 10), file.readUInt32LE(at + 20), file.readUInt32LE(at + 24)]
  const start = file.readUInt32LE(at + 42)
  if (full > mostBytes - 1 || start + 30 > file.length || file.readUInt32LE(start) !== local)
    throw broken(path, 'an entry is not where it should be')
  const data = start + 30 + file.readUInt16LE(start + 26) + file.readUInt16LE(start + 28)
  const bytes = file.subarray(data, data + packed)
  if (bytes.length !== packed) throw broken(path, 'it ends too early')
  if (method === 0) return bytes
  if (method !== 8 || full > packed * maxRatio + 1024) throw broken(path, `an entry is packed in an unknown way (${method})`)
  try {
    return inflateRawSync(bytes, { maxOutputLength: full })
  } catch {
    throw broken(path, 'an entry cannot be unpacked')
  }
}

/** Reads the arrays of an archive that `numpy.savez` or `savez_compressed` wrote, by name. @throws LayermillError `SPEC_INVALID` */
export async function readNpzArrays(path: string): Promise<Map<string, RawTensor>> {
  const file = await readFile(path).catch((cause: unknown) => {
    throw new LayermillError('SPEC_INVALID', `${path} cannot be read (${errorCode(cause)})`, { cause })
  })
  let end = file.length - 22
  while (end >= Math.max(0, file.length - 65_557) && file.readUInt32LE(end) !== endSignature) end--
  if (end < 0 || file.length < 22 || file.readUInt32LE(end) !== endSignature) throw broken(path, 'it has no directory')
  const arrays = new Map<string, RawTensor>()
  let at = file.readUInt32LE(end + 16)
  for (let i = 0; i < file.readUInt16LE(end + 10); i++) {
    if (at + 46 > file.length || file.readUInt32LE(at) !== central) throw broken(path, 'its directory is damaged')
    const [nameLength, extra, comment] = [file.readUInt16LE(at + 28), file.readUInt16LE(at + 30), file.readUInt16LE(at + 32)]
    const name = file.toString('utf8', at + 46, at + 46 + nameLength)
    arrays.set(name.replace(/\.npy$/, ''), parseNpy(`${name} in ${path}`, contentsOf(path, file, at)))
    at += 46 + nameLength + extra + comment
  }
  return arrays
}
