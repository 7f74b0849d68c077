import { Readable } from 'node:stream'
import type { ZipFile } from 'yazl'
import { bytesOf, elementCount, LayermillError, npyHeader, type TensorMap, writeAll, writeAtomically } from '@layermill/core'
import { metadataOf } from '../metadata.js'
import type { WeightSet } from '../types.js'

const pieceBytes = 1024 * 1024
/** Zip archives cannot name an earlier date; a fixed one makes the same weights the same bytes. */
const epoch = new Date(1980, 0, 1)

function addArray(zip: ZipFile, key: string, descr: string, shape: readonly number[], bytes: Uint8Array): void {
  const header = npyHeader(descr, shape)
  const options = { compress: false, size: header.length + bytes.length, mtime: epoch, forceDosTimestamp: true }
  zip.addReadStreamLazy(`${key}.npy`, options, done => {
    const pieces = function* (): Generator<Uint8Array> {
      yield header
      for (let offset = 0; offset < bytes.length; offset += pieceBytes) yield bytes.subarray(offset, offset + pieceBytes)
    }
    done(null, Readable.from(pieces(), { objectMode: false }))
  })
}

/** JSON in ASCII, which is all that an archive's comment can be relied on to keep. */
function asciiJson(metadata: Readonly<Record<string, string>>): string {
  return JSON.stringify(metadata).replace(/[^\x20-\x7e]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The counter that Chainer's batch norm keeps beside its statistics. */
function countersOf(tensors: TensorMap): string[] {
  return [...tensors.keys()].filter(name => name.endsWith('/avg_mean')).map(name => name.replace(/avg_mean$/, 'N'))
}

/**
 * Writes tensors as Chainer's `save_npz(..., compression=False)` does, batch norms' `N` (0) included, atomically.
 * @param metadata Texts that are kept in the archive's comment, where NumPy and Chainer do not look.
 */
export async function writeNpz(path: string, tensors: TensorMap, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const [name, { shape, data }] of tensors) {
    if (data.length !== elementCount(shape))
      throw new LayermillError('TENSOR_SHAPE', `${name} has ${data.length} numbers, not those of its shape`)
  }
  await writeAtomically(path, async handle => {
    const { ZipFile } = await import('yazl')
    const zip = new ZipFile()
    const failed = new Promise<never>((_resolve, reject) => zip.on('error', reject))
    for (const [name, { shape, data }] of tensors) addArray(zip, name, '<f4', shape, bytesOf(data))
    for (const name of countersOf(tensors)) addArray(zip, name, '<i8', [], new Uint8Array(8))
    zip.end({ forceZip64Format: false, comment: asciiJson(metadata) })
    const copied = (async () => {
      for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) await writeAll(handle, chunk)
    })()
    await Promise.race([copied, failed])
  })
}

/** A network's weights under Chainer's names: a caffe-family file loads in Chainer. */
export async function writeWeightsNpz(path: string, network: string, weights: WeightSet): Promise<void> {
  await writeNpz(path, weights.tensors, metadataOf(network, weights))
}
