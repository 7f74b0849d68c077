import { type FinetuneSpec, imageLimits } from '@layermill/contracts'
import { thumbnail } from '@layermill/preprocess'
import { type ImageSource, readWithin, type Store } from '@layermill/storage'
import { accessOf } from '../../run/source-access.js'
import type { TrainingEnvironment } from '../environment.js'
import type { Evaluation } from '../metrics-line.js'
import { lineageOf, type OutputsInput } from '../outputs.js'
import { reportHtml } from './report.js'

/** Pixels of a mistake's longer side. */
const thumbnailSide = 160

/** Small pictures of images of a source, in their order; undefined for what cannot be read any more. */
export async function thumbnailsOf(
  keys: readonly string[],
  source: ImageSource,
  spec: Pick<FinetuneSpec, 'autoOrient' | 'maxBytes' | 'imageTimeout'>,
): Promise<(Uint8Array | undefined)[]> {
  const { maxBytes, timeoutMs } = imageLimits(spec)
  return Promise.all(
    keys.map(async key => {
      // A picture that is gone by now is only missed here.
      const bytes = await readWithin(source, { key }, maxBytes).catch(() => undefined)
      return bytes === undefined
        ? undefined
        : await thumbnail(bytes, thumbnailSide, { autoOrient: spec.autoOrient, timeoutMs }).catch(() => undefined)
    }),
  )
}

async function thumbnails(
  best: Evaluation | undefined,
  spec: FinetuneSpec,
  environment: TrainingEnvironment,
): Promise<(Uint8Array | undefined)[]> {
  if (best === undefined || best.mistakes.length === 0) return []
  const place = typeof spec.validation === 'string' ? spec.validation : spec.source
  await using source = await environment.openLabelled(place, accessOf(place, spec))
  return await thumbnailsOf(
    best.mistakes.map(({ key }) => key),
    source,
    spec,
  )
}

/** Writes `report.html`. */
export async function writeReport(
  input: Omit<OutputsInput, 'tensors'> & { readonly store: Store; readonly environment: TrainingEnvironment },
): Promise<void> {
  const { store, environment, record, plan, network, lines, best } = input
  const html = reportHtml({
    title: `${network.id}: ${plan.classes.length} classes`,
    classes: plan.classes,
    lines,
    best,
    thumbnails: await thumbnails(best, record.spec as FinetuneSpec, environment),
    lineage: lineageOf(input),
  })
  await store.put('report.html', html, { contentType: 'text/html; charset=utf-8' })
}
