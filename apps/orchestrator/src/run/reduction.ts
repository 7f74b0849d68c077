import type { LayerResult, RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { decodeFit, fitsHash, type FittedReductions, layersToFit, reductionPath } from '@layermill/inference'
import type { Store } from '@layermill/storage'
import type { RunAction } from './decide.js'
import type { RunEnvironment } from './environment.js'
import { readRunRecord } from './record-store.js'

/** A run's record with what its reductions were fitted to, and the files to write before it. */
export interface ReducedRun {
  readonly record: RunRecord
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** The record with the fit of the run that is there, so that the two are told apart by what was asked for. */
export function withReductionOf(record: RunRecord, existing: RunRecord | undefined): RunRecord {
  const reductionFit = existing?.identity.reductionFit
  if (layersToFit(record).length === 0 || reductionFit === undefined) return record
  return { ...record, identity: { ...record.identity, reductionFit } }
}

/** Layers whose components are fewer than asked for have as many numbers a row as there are. */
function fittedLayers(layers: readonly LayerResult[], components: ReadonlyMap<string, number>): LayerResult[] {
  return layers.map(layer => {
    const kept = components.get(layer.name)
    if (kept === undefined) return layer
    const before = layer.shape.reduce((product, size) => product * size, 1)
    return { ...layer, shape: [kept], bytesPerImage: (layer.bytesPerImage / before) * kept }
  })
}

/** The fits of another run, for the same layers and rules of the same network. */
async function fitsOfRun(record: RunRecord, place: string, environment: RunEnvironment): Promise<FittedReductions> {
  await using store = await environment.openStore(place)
  const other = await readRunRecord(store)
  if (other === undefined) throw new LayermillError('RUN_MISSING', `--reduction: there is no run at ${store.url}`)
  const files = new Map<string, Uint8Array>()
  const components = new Map<string, number>()
  for (const layer of layersToFit(record)) {
    const [here, there] = [record.identity.reduction![layer]!, other.identity.reduction?.[layer]]
    if (here !== there) {
      throw new LayermillError('RUN_CONFLICT', `--reduction: ${store.url} reduces ${layer} by ${there ?? 'nothing'}, this run by ${here}`)
    }
    if (other.identity.model !== record.identity.model || other.identity.weights !== record.identity.weights) {
      throw new LayermillError('RUN_CONFLICT', `--reduction: ${store.url} is of another network or other weights`)
    }
    const bytes = await store.get(reductionPath(layer))
    const fit = decodeFit(bytes, `${store.url}/${reductionPath(layer)}`)
    files.set(layer, bytes!)
    if (fit.explainedVariance.length > 0) components.set(layer, fit.explainedVariance.length)
  }
  return { files, sha256: fitsHash(files), components }
}

/**
 * Sees to what a run's reductions are fitted to: a new sample for a new run, or another run's fit where it names one; for all else what
 * is there, which workers hold against the record.
 */
export async function reduceFor(
  action: RunAction,
  record: RunRecord,
  environment: RunEnvironment,
  signal: AbortSignal | undefined,
): Promise<ReducedRun> {
  const none = new Map<string, Uint8Array>()
  if (layersToFit(record).length === 0) return { record, files: none }
  if (action !== 'create' && action !== 'replace' && action !== 'renew') return { record, files: none }
  const { spec } = record
  const from = spec.kind === 'extract' ? spec.reduction : undefined
  const fitted = from === undefined ? await fitSample(record, environment, signal) : await fitsOfRun(record, from, environment)
  const identity = { ...record.identity, reductionFit: fitted.sha256 }
  return { record: { ...record, identity, layers: fittedLayers(record.layers, fitted.components) }, files: fitted.files }
}

async function fitSample(record: RunRecord, environment: RunEnvironment, signal: AbortSignal | undefined): Promise<FittedReductions> {
  if (environment.fitReductions === undefined)
    throw new LayermillError('PRECISION_UNAVAILABLE', '--reduce pca and --center need an engine where the run is started')
  await using source = await environment.openSource(record.spec.source, record.spec)
  return await environment.fitReductions(record, source, signal)
}

/** Writes the files of new fits. */
export async function writeReductions(store: Store, { files }: ReducedRun): Promise<void> {
  for (const [layer, bytes] of files) await store.put(reductionPath(layer), bytes)
}
