import { predictionsPath, type RunPredictions } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { readableParts } from '../run/readable-parts.js'
import { type PredictedRow, parsePredictions } from './predicted.js'
import { readResults } from './prediction-file.js'
import type { OpenedFiles } from './run-files.js'

/** Images that are listed. */
const mostImages = 100_000

async function* rowsOf({ spec, run, store }: OpenedFiles, openStore: (url: string) => Promise<Store>): AsyncGenerator<PredictedRow> {
  const parts = await readableParts(store)
  for (const part of parts) yield* parsePredictions((await store.get(predictionsPath(part))) ?? new Uint8Array())
  // A prediction that is done keeps its file only.
  if (parts.length === 0 && run.state === 'done' && spec.out !== undefined) yield* await readResults(spec.out, openStore)
}

/**
 * The likeliest class of each image of a prediction.
 * @throws LayermillError `NOT_RECORDED` for a run of another kind, or one without results yet; as the store does
 */
export async function runPredictions(opened: OpenedFiles, openStore: (url: string) => Promise<Store>): Promise<RunPredictions> {
  const { run, spec } = opened
  if (spec.kind !== 'predict') throw new LayermillError('NOT_RECORDED', `The run ${run.id} predicts no classes`)
  const found: RunPredictions = { images: 0, keys: [], names: [], predicted: [], probabilities: [] }
  const places = new Map<string, number>()
  for await (const { key, classes } of rowsOf(opened, openStore)) {
    const top = classes[0]
    if (top === undefined) continue
    found.images++
    if (found.keys.length === mostImages) continue
    if (!places.has(top.label)) places.set(top.label, places.size)
    found.keys.push(key)
    found.predicted.push(places.get(top.label)!)
    found.probabilities.push(Number(top.probability.toFixed(3)))
  }
  if (found.images === 0) throw new LayermillError('NOT_RECORDED', `The run ${run.id} has no predictions yet`)
  return { ...found, names: [...places.keys()] }
}
