import { type ExtractSpec, featurePath, partOfPath } from '@layermill/contracts'
import { elementCount, LayermillError } from '@layermill/core'
import { layerShapes, type Network } from '@layermill/models'
import { type ErrorRow, parseIndex, readFeatureRows, type Store } from '@layermill/storage'
import { hashText } from '@layermill/training'
import { linearProbe, type ProbedLayer, suggestLayer } from '../../features/linear-probe.js'
import { writeManifest } from '../../run/manifest-plan.js'
import { newRecord } from '../../run/open-run.js'
import { writeRunRecord } from '../../run/record-store.js'
import { readFailures } from '../../run/failures.js'
import { superviseRun } from '../../run/inference-steps.js'
import { ownOrder } from '../class-order.js'
import { findClasses, type LabelledRow, listLabelled } from '../dataset.js'
import type { TrainingEnvironment } from '../environment.js'

export interface AdviseOptions {
  readonly environment: TrainingEnvironment
  /** Spec of the extraction; its layers, where given, are the candidates. Features are pooled. */
  readonly spec: ExtractSpec
  /** Images to look at, spread over the classes. */
  readonly sample: number
  /** Empty; for the features. */
  readonly store: Store
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

export interface LayerAdvice extends ProbedLayer {
  readonly shape: readonly number[]
  /** Numbers of one image once maps are averaged: what the accuracy is of. */
  readonly dimensions: number
}

export interface Advice {
  readonly images: number
  readonly classes: number
  /** Images of the sample that could not be used. */
  readonly failed: readonly ErrorRow[]
  readonly layers: readonly LayerAdvice[]
  /** The smallest of the layers that are as good as the best one, as far as so many images can tell. */
  readonly suggested: string
}

/** Layers that a head could go on: Chainer's, without scores and probabilities. */
export function candidateLayers(network: Network): string[] {
  const ends = [network.classifier, network.probabilities]
  return network.availableLayers.filter(layer => !ends.includes(network.layers.get(layer) ?? layer))
}

/** About as many of each class, chosen by a hash of the key: the same each time, whatever else there is. */
export function sampleRows(rows: readonly LabelledRow[], classes: readonly string[], count: number): LabelledRow[] {
  const each = Math.max(2, Math.floor(count / classes.length))
  return classes.flatMap(name =>
    rows
      .filter(({ label }) => label === name)
      .map(row => ({ row, hash: hashText(row.key) }))
      .toSorted((a, b) => a.hash - b.hash || (a.row.key < b.row.key ? -1 : 1))
      .slice(0, each)
      .map(({ row }) => row),
  )
}

async function extractSample(rows: readonly LabelledRow[], layers: readonly string[], options: AdviseOptions): Promise<void> {
  const { environment, spec, store, signal, onProgress } = options
  const { record } = await newRecord({ ...spec, layers: [...layers], pool: 'avg', dtype: 'float32', format: 'npy' }, environment.runs)
  for (let part = 0; part * record.partSize < rows.length; part++) {
    await writeManifest(store, part, rows.slice(part * record.partSize, (part + 1) * record.partSize))
  }
  const planned = { ...record, planned: true }
  await writeRunRecord(store, planned)
  await superviseRun(planned, {
    environment: environment.runs,
    store,
    signal,
    onProgress: ({ done, total }) => onProgress(done, total),
    reasons: 'extract of the same images keeps all reasons in OUT/errors/',
  })
}

/** A layer's values by key. */
async function readLayer(store: Store, layer: string): Promise<{ keys: string[]; features: Float32Array[] }> {
  const [keys, features]: [string[], Float32Array[]] = [[], []]
  for await (const { key: path } of store.list('index/')) {
    const part = partOfPath(path)
    if (part === undefined) continue
    const index = await parseIndex((await store.get(path))!, path)
    const { data } = await readFeatureRows('npy', (await store.get(featurePath(layer, part, 'npy')))!, layer)
    const size = data.length / Math.max(1, index.length)
    for (const { key, row } of index) {
      keys.push(key)
      features.push(data.slice(row * size, (row + 1) * size))
    }
  }
  return { keys, features }
}

/**
 * Which layer to cut at: extracts candidate layers of a sample in one pass and fits a linear classifier to each.
 * @throws LayermillError `LABEL_MISSING`, `CLASS_TOO_FEW`, `LAYER_UNKNOWN`, `INPUT_SIZE`; as the extraction does
 */
export async function adviseLayers(options: AdviseOptions): Promise<Advice> {
  const { environment, spec, store, sample } = options
  if (spec.size === 'keep') throw new LayermillError('SPEC_INVALID', 'size: got keep, expected one size for all images')
  const { provided, network } = await candidates(options)
  const source = await environment.openLabelled(spec.source, spec)
  const rows = await listLabelled(source, spec.source)
  await source.close()
  const classes = findClasses(rows, spec.source, ownOrder(source))
  const chosen = sampleRows(rows, classes, sample)
  await extractSample(chosen, provided, options)
  const labels = new Map(chosen.map(({ key, label }) => [key, classes.indexOf(label)]))
  const shapes = layerShapes(network, provided, spec.size === undefined ? network.inputSize : [spec.size.height, spec.size.width])
  const layers: LayerAdvice[] = []
  let images = 0
  for (const layer of provided) {
    const { keys, features } = await readLayer(store, layer)
    images = keys.length
    const result = await linearProbe({ features, labels: keys.map(key => labels.get(key)!), classes: classes.length })
    const shape = shapes.get(layer)!
    layers.push({ layer, shape, dimensions: features[0]!.length, bytesPerImage: elementCount(shape) * 4, ...result })
  }
  const failed = await readFailures(store, chosen.length)
  return { images, classes: classes.length, failed, layers, suggested: suggestLayer(layers) }
}

/** Layers to try, of those that the size allows where none are named. */
async function candidates({ environment, spec }: AdviseOptions): Promise<{ provided: string[]; network: Network }> {
  const { network } = await environment.runs.model(spec)
  if (spec.layers !== undefined) return { provided: spec.layers, network }
  const size = spec.size === undefined || spec.size === 'keep' ? network.inputSize : ([spec.size.height, spec.size.width] as const)
  const provided = candidateLayers(network).filter(layer => {
    try {
      layerShapes(network, [layer], size)
      return true
    } catch {
      return false
    }
  })
  return { provided, network }
}
