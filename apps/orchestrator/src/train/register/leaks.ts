import { createHash } from 'node:crypto'
import type { Evaluation, ImageLimits } from '@layermill/contracts'
import { classify } from '@layermill/core'
import { type ImageSource, type ManifestRow, mapOrdered, readWithin } from '@layermill/storage'

/** Files read at once: one may have hundreds of megabytes. */
const atOnce = 4

/** Images with the source that has them. */
export interface ImagesOf {
  readonly rows: readonly ManifestRow[]
  readonly source: ImageSource
}

/** A held-out image whose file is a training image's too. */
export interface Leak {
  readonly key: string
  readonly training: string
}

interface Options {
  readonly limits: ImageLimits
  readonly signal: AbortSignal
}

/** SHA-256 of the files of some rows; those that cannot be read are left out. */
async function* hashes({ source }: ImagesOf, rows: readonly ManifestRow[], { limits, signal }: Options) {
  const made = mapOrdered(rows, atOnce, async row => {
    signal.throwIfAborted()
    try {
      const bytes = await readWithin(source, row, limits.maxBytes)
      return { key: row.key, sha256: createHash('sha256').update(bytes).digest('base64') }
    } catch (error) {
      if (classify(error).scope !== 'image') throw error
      return undefined
    }
  })
  for await (const found of made) if (found !== undefined) yield found
}

/**
 * Held-out images that are training images too, byte for byte. Only files of as many bytes are read, where a source lists their bytes: of a
 * Parquet file's images it knows an average.
 * @throws LayermillError as the sources do; the signal's reason
 */
export async function exactLeaks(training: ImagesOf, heldOut: ImagesOf, options: Options): Promise<Leak[]> {
  const listsBytes = [training, heldOut].every(({ source }) => source.kind !== 'parquet')
  const withBytesOf = (rows: readonly ManifestRow[], others: readonly ManifestRow[]): readonly ManifestRow[] => {
    const sizes = new Set(others.map(({ bytes }) => bytes))
    return listsBytes ? rows.filter(({ bytes }) => sizes.has(bytes)) : rows
  }
  const keys = new Map<string, string[]>()
  for await (const { key, sha256 } of hashes(heldOut, withBytesOf(heldOut.rows, training.rows), options)) {
    keys.set(sha256, [...(keys.get(sha256) ?? []), key])
  }
  const leaks: Leak[] = []
  for await (const { key: own, sha256 } of hashes(training, withBytesOf(training.rows, heldOut.rows), options)) {
    leaks.push(...(keys.get(sha256) ?? []).map(key => ({ key, training: own })))
    keys.delete(sha256)
  }
  return leaks.toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

/** Leaks that are named. */
const mostNamed = 20

/** Held-out images that are training images too, or nearly. */
export interface Leaks {
  readonly found: readonly Leak[]
  /** Files with the same bytes, or images with nearly the same features. */
  readonly by: 'bytes' | 'features'
}

/** One of several, in words. */
export function leakText({ found, by }: Leaks, images: number): string {
  const [{ key, training }] = found as [Leak]
  const which = key === training ? key : `${key} is ${training}`
  const how = by === 'bytes' ? 'trained on too, byte for byte' : 'nearly images that are trained on, by features'
  return `${found.length} of ${images} held-out images ${found.length === 1 ? 'is' : 'are'} ${how} (${which})`
}

/** Why a version is not compared on held-out images that it was trained on. */
export const leakReason = (leaks: Leaks, images: number): string =>
  `${leakText(leaks, images)}: accuracy on them says nothing of others; layermill audit --held-out lists such images, --without leaves them out, --allow-leaks compares all the same`

/** Leaks as an evaluation keeps them. */
export const leakRecord = ({ found, by }: Leaks): NonNullable<Evaluation['leaks']> => ({
  images: found.length,
  by,
  keys: found.slice(0, mostNamed).map(({ key }) => key),
  training: found.slice(0, mostNamed).map(({ training }) => training),
})
