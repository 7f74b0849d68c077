import { type FinetuneSpec, reportPath, type WorkerPhases } from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { thumbnailsOf } from '../../results/thumbnails.js'
import { accessOf } from '../../run/source-access.js'
import type { TrainingEnvironment } from '../environment.js'
import { lineageOf, type OutputsInput } from '../outputs.js'
import { type ExplainedMistakes, explainMistakes } from './explain-mistakes.js'
import { reportHtml } from './report.js'

export interface WriteReportInput extends OutputsInput {
  readonly store: Store
  readonly environment: TrainingEnvironment
  readonly signal: AbortSignal
  readonly phases: readonly WorkerPhases[]
}

interface Pictures {
  readonly thumbnails: readonly (Uint8Array | undefined)[]
  readonly explained?: ExplainedMistakes
}

/** Pictures of the worst mistakes, and where in them the answers come from. */
async function picturesOf({ best, record, environment, plan, network, tensors, signal }: WriteReportInput): Promise<Pictures> {
  if (best === undefined || best.mistakes.length === 0) return { thumbnails: [] }
  const spec = record.spec as FinetuneSpec
  const place = typeof spec.validation === 'string' ? spec.validation : spec.source
  await using source = await environment.openLabelled(place, accessOf(place, spec))
  const keys = best.mistakes.map(({ key }) => key)
  const { openEngine } = environment
  const explained = await explainMistakes(best.mistakes, { openEngine, spec, plan, network, tensors, source, signal })
  return { thumbnails: await thumbnailsOf(keys, source, spec), explained }
}

/** Writes `report.html`. @throws the signal's reason */
export async function writeReport(input: WriteReportInput): Promise<void> {
  const { store, plan, network, lines, best, phases } = input
  const html = reportHtml({
    title: `${network.id}: ${plan.classes.length} classes`,
    classes: plan.classes,
    lines,
    best,
    ...(await picturesOf(input)),
    phases,
    lineage: lineageOf(input),
  })
  await store.put(reportPath, html, { contentType: 'text/html; charset=utf-8' })
}
