import {
  errorsPath,
  imageLimits,
  manifestPath,
  type PictureQuery,
  type RunSpec,
  trainingRowsPath,
  validationRowsPath,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { thumbnail } from '@layermill/preprocess'
import { parseErrors, parseManifest, type Store } from '@layermill/storage'
import { readEvaluation } from './evaluation.js'
import { readResults } from './prediction-file.js'
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

const listPaths = { training: trainingRowsPath, validation: validationRowsPath } as const

async function rowOfList(store: Store, list: keyof typeof listPaths, key: string): Promise<Known | undefined> {
  const rows = await store.get(listPaths[list])
  return rows === undefined ? undefined : parseManifest(rows, store.url).find(row => row.key === key)
}

async function rowOfResults({ spec, run }: OpenedFiles, key: string, files: RunFiles): Promise<Known | undefined> {
  if (spec.kind !== 'predict' || spec.out === undefined || run.state !== 'done') return undefined
  return (await readResults(spec.out, url => files.openStore(url))).find(row => row.key === key)
}

/** Only what the run itself names is read: a key from a request alone opens nothing. */
async function known(opened: OpenedFiles, { part, key }: PictureQuery, files: RunFiles): Promise<Known> {
  const { store, run } = opened
  const row =
    part === 'mistakes'
      ? (await readEvaluation(store, run.id)).mistakes.find(mistake => mistake.key === key)
      : part === 'results'
        ? await rowOfResults(opened, key, files)
        : part === 'audit'
          ? await files.audits.finding(opened, key)
          : typeof part === 'string'
            ? await rowOfList(store, part, key)
            : await rowOfPart(store, part, key)
  if (row === undefined) throw new LayermillError('IMAGE_UNKNOWN', `The run ${run.id} has no such image there`)
  return row
}

const sourceOf = (spec: RunSpec, part: PictureQuery['part']): string =>
  (part === 'mistakes' || part === 'validation') && spec.kind === 'finetune' && typeof spec.validation === 'string'
    ? spec.validation
    : spec.source

const unreadable = (cause: unknown): LayermillError =>
  new LayermillError('IMAGE_UNREADABLE', 'The image cannot be shown: it cannot be read or decoded', { cause })

/**
 * A small JPEG of one of a run's images.
 * @throws LayermillError `IMAGE_UNKNOWN`, `IMAGE_UNREADABLE`, and what the store throws
 */
export async function runThumbnail(files: RunFiles, id: string, picture: PictureQuery): Promise<Uint8Array> {
  return files.use(id, async opened => {
    const { key, bytes = 0 } = await known(opened, picture, files)
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
