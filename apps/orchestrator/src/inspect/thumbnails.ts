import { errorsPath, imageLimits, manifestPath, type PictureQuery, type RunSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { thumbnail } from '@layermill/preprocess'
import { parseErrors, parseManifest, type Store } from '@layermill/storage'
import { readEvaluation } from './evaluation.js'
import type { OpenedFiles, RunFiles } from './run-files.js'

/** Pixels of the longer side. */
const side = 192
/** Files larger than that are not read for a small picture. */
const largestFile = 64 * 1024 * 1024

interface Known {
  readonly key: string
  readonly etag?: string
  readonly bytes?: number
}

async function rowOfPart(store: Store, part: number, key: string): Promise<Known | undefined> {
  const manifest = await store.get(manifestPath(part))
  const row = manifest === undefined ? undefined : parseManifest(manifest, store.url).find(candidate => candidate.key === key)
  if (row !== undefined) return row
  const errors = await store.get(errorsPath(part))
  return errors === undefined ? undefined : parseErrors(errors, store.url).find(candidate => candidate.key === key)
}

/** Only what the run itself names is read: a key from a request alone opens nothing. */
async function known({ store, run }: OpenedFiles, { part, key }: PictureQuery): Promise<Known> {
  const row =
    part === 'mistakes'
      ? (await readEvaluation(store, run.id)).mistakes.find(mistake => mistake.key === key)
      : await rowOfPart(store, part, key)
  if (row === undefined) throw new LayermillError('IMAGE_UNKNOWN', `The run ${run.id} has no such image there`)
  return row
}

const sourceOf = (spec: RunSpec, part: PictureQuery['part']): string =>
  part === 'mistakes' && spec.kind === 'finetune' && typeof spec.validation === 'string' ? spec.validation : spec.source

const unreadable = (cause: unknown): LayermillError =>
  new LayermillError('IMAGE_UNREADABLE', 'The image cannot be shown: it cannot be read or decoded', { cause })

/**
 * A small JPEG of one of a run's images.
 * @throws LayermillError `IMAGE_UNKNOWN`, `IMAGE_UNREADABLE`, and what the store throws
 */
export async function runThumbnail(files: RunFiles, id: string, picture: PictureQuery): Promise<Uint8Array> {
  return files.use(id, async opened => {
    const { key, bytes = 0 } = await known(opened, picture)
    if (bytes > largestFile) throw new LayermillError('IMAGE_UNREADABLE', `The image is larger than ${largestFile / 1024 / 1024} MiB`)
    try {
      const content = await files.read(sourceOf(opened.spec, picture.part), { key }, opened.spec)
      if (content.byteLength > largestFile) throw new RangeError('too large')
      return await thumbnail(content, side, { autoOrient: opened.spec.autoOrient, timeoutMs: imageLimits(opened.spec).timeoutMs })
    } catch (error) {
      throw unreadable(error)
    }
  })
}
