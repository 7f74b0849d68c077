import { classify, LayermillError } from '@layermill/core'
import { type FinetuneSpec, type ImageLimits, maxErrorsAllowed } from '@layermill/contracts'
import { decodeImage } from '@layermill/preprocess'
import { describeFailures } from '../run/failures.js'
import { bytesAhead, type ErrorRow, type ImageSource, type ManifestRow, mapOrdered, readWithin } from '@layermill/storage'

export interface CheckOptions {
  readonly source: ImageSource
  readonly autoOrient: boolean
  readonly limits: ImageLimits
  /** Images decoded at once. */
  readonly readAhead: number
  readonly signal: AbortSignal
  readonly onProgress: (done: number, failed: number) => void
}

async function fault(row: ManifestRow, { source, autoOrient, limits, signal }: CheckOptions): Promise<ErrorRow | undefined> {
  signal.throwIfAborted()
  try {
    await decodeImage(await readWithin(source, row, limits.maxBytes), { autoOrient, timeoutMs: limits.timeoutMs })
    return undefined
  } catch (error) {
    const { scope, code, message } = classify(error)
    if (scope !== 'image') throw error
    return { key: row.key, code, reason: message }
  }
}

/** Reads and decodes every image once: what cannot be is left out before anything is computed, so that it cannot change any step. */
export async function unusableImages(rows: readonly ManifestRow[], options: CheckOptions): Promise<ErrorRow[]> {
  const errors: ErrorRow[] = []
  async function* stream(): AsyncGenerator<ManifestRow> {
    yield* rows
  }
  let done = 0
  for await (const error of mapOrdered(stream(), bytesAhead(options.readAhead), row => fault(row, options))) {
    if (error !== undefined) errors.push(error)
    options.onProgress(++done, errors.length)
  }
  return errors
}

/** @throws LayermillError `TOO_MANY_ERRORS` */
export function checkErrors(errors: readonly ErrorRow[], images: number, { maxErrors }: Pick<FinetuneSpec, 'maxErrors'>): void {
  const allowed = maxErrorsAllowed(maxErrors, images)
  if (errors.length <= allowed) return
  throw new LayermillError(
    'TOO_MANY_ERRORS',
    `${errors.length} of ${images} images cannot be used, more than --max-errors ${maxErrors} allows (${allowed}): ${describeFailures(errors, errors.length)}`,
    {
      hint: 'mend or remove them, or raise --max-errors to go on with the rest',
    },
  )
}
