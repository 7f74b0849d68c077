import { type FinetuneSpec, reportPath } from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { thumbnailsOf } from '../../results/thumbnails.js'
import { accessOf } from '../../run/source-access.js'
import type { TrainingEnvironment } from '../environment.js'
import type { Evaluation } from '../metrics-line.js'
import { lineageOf, type OutputsInput } from '../outputs.js'
import { reportHtml } from './report.js'

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
  await store.put(reportPath, html, { contentType: 'text/html; charset=utf-8' })
}
