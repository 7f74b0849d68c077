import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Engine, Extractor, Range } from '@layermill/engines'
import type { Calibration, CalibrationMethod, FoundCalibration, RunRecord } from '@layermill/contracts'
import { LayermillError, type Tensor } from '@layermill/core'
import { layerShapes, type Network, type Size2 } from '@layermill/models'
import { isOnnxNetwork } from '@layermill/onnx'
import type { ImageSource, ManifestRow } from '@layermill/storage'
import type { KeptFindings } from '../kept.js'
import type { LoadedModel, ModelOutline, ModelProvider } from '../model-provider.js'
import { type ComputedImage, computeRows } from '../part/compute-rows.js'
import { prepareRows, rowPreparation } from '../part/prepare-rows.js'
import { classFinder } from '../labels.js'
import { processorText } from '../processor-text.js'
import { Agreement } from './agreement.js'
import { Histogram } from './histogram.js'
import { type CalibrationCase, keptCalibrations, planVersion } from './kept-calibrations.js'
import { type CalibrationSample, sampleImages } from './sample.js'
import { TimedExtractor } from './timed-extractor.js'

/** Gave the larger cosine of the two, see docs/decisions/0057. */
const defaultMethod: CalibrationMethod = 'min-max'
/** Images at once where float32 and int8 are compared. */
const batchSize = 4
/** Values counted before other work of the process gets its turn. */
const slice = 1 << 20

export interface CalibrateOptions {
  readonly record: RunRecord
  /** Its engine must be ONNX Runtime on the CPU. */
  readonly provider: ModelProvider
  readonly source: ImageSource
  readonly readAhead: number
  /** Default: chosen from the whole source by the hashes of the keys. */
  readonly sample?: CalibrationSample
  readonly method?: CalibrationMethod
  readonly signal?: AbortSignal | undefined
  /** Told of how many images there are before they are computed; not where ranges of this sample are kept. */
  readonly onSample?: (chosen: number, others: number) => void
  readonly kept?: KeptFindings<CalibrationCase, FoundCalibration>
}

/** Setting that a calibration computes with. */
interface Setting extends CalibrateOptions {
  readonly engine: Engine
  readonly model: LoadedModel
  readonly inputSize: Size2 | undefined
  readonly layers: readonly string[]
  /** Left out where it cannot take the images' size. */
  readonly classifier: string | undefined
}

function classifierOf(network: Network, inputSize: Size2 | undefined): string | undefined {
  if (inputSize === undefined) return undefined
  try {
    layerShapes(network, [network.probabilities], inputSize)
    return network.probabilities
  } catch {
    return undefined
  }
}

/** Layers whose numbers are of the classes. */
export const scoresOf = ({ classifier, probabilities }: Network): ReadonlySet<string> => new Set([classifier, probabilities])

/** Finds the class of a labelled image; of none where the network gives no one class an image. */
function classFinderOf(
  { spec }: RunRecord,
  { labels, target }: Pick<ModelOutline, 'labels' | 'target'>,
): (label?: string) => number | undefined {
  if (target !== undefined) return () => undefined
  const find = classFinder((spec.kind === 'predict' ? spec.labels : undefined) ?? labels)
  return label => (label === undefined ? undefined : find(label))
}

async function settingOf(options: CalibrateOptions): Promise<Setting> {
  const { provider, record } = options
  const [engine, model] = await Promise.all([provider.openEngine(), provider.model(record.spec.model, record.spec.weights)])
  const { size } = record.identity.preparation
  const inputSize: Size2 | undefined = size === 'keep' ? undefined : [size.height, size.width]
  return { ...options, engine, model, inputSize, layers: record.identity.layers, classifier: classifierOf(model.network, inputSize) }
}

/** Results of an extractor for each image that can be computed. The others are the run's to report. */
async function* through(
  setting: Setting,
  images: readonly ManifestRow[],
  extractor: Extractor,
  batchSize: number,
): AsyncGenerator<ComputedImage<ManifestRow>> {
  const { source, readAhead, record, model, signal } = setting
  const preparation = rowPreparation(record, model.network)
  const prepared = prepareRows(images, { source, ...preparation, concurrency: readAhead })
  for await (const row of computeRows(prepared, { extractor, batchSize, fits: preparation.fits, release: true })) {
    signal?.throwIfAborted()
    if (row.kind === 'computed') yield row
  }
}

/** An extractor whose results are handled otherwise. */
const handled = (extractor: Pick<Extractor, 'layers'>, run: Extractor['run']): Extractor => ({
  layers: extractor.layers,
  run,
  release: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
})

async function count(histograms: Map<string, Histogram>, values: ReadonlyMap<string, Tensor>): Promise<void> {
  for (const [point, { data }] of values) {
    const histogram = histograms.get(point) ?? new Histogram()
    histograms.set(point, histogram)
    for (let start = 0; start < data.length; start += slice) {
      histogram.add(data.subarray(start, start + slice))
      await nextTurn()
    }
  }
}

async function rangesOf(
  setting: Setting,
  images: readonly ManifestRow[],
  method: CalibrationMethod,
): Promise<{ keys: string[]; ranges: Map<string, Range> }> {
  const { engine, model, inputSize, layers, classifier } = setting
  const sets = classifier === undefined ? [layers] : [layers, [...layers, classifier]]
  await using extractor = await engine.calibrator(model.network, model.weights.tensors, sets, {
    ...(inputSize === undefined ? {} : { inputSize }),
    extremes: method === 'min-max',
  })
  const histograms = new Map<string, Histogram>()
  const keys: string[] = []
  const counting = handled(extractor, async batch => {
    await count(histograms, await extractor.run(batch))
    return new Map()
  })
  // One at a time: the runtime holds every value of the network for each until the last one is there.
  for await (const { image } of through(setting, images, counting, 1)) keys.push(image.row.key)
  return { keys: keys.sort(), ranges: new Map(extractor.layers.map(point => [point, histograms.get(point)?.range(method) ?? [0, 0]])) }
}

const prefixed = (prefix: string, values: ReadonlyMap<string, Tensor>): [string, Tensor][] =>
  [...values].map(([layer, value]) => [prefix + layer, value])

function without<Value>(prefix: string, values: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...values].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]))
}

/** Float32 and int8 of the same images: how far they agree, and the shortest seconds of a batch of the one over those of the other. */
interface Comparison {
  readonly agreement: Agreement
  /** Left out with fewer than two batches: the first warms up. */
  readonly speedup?: number
}

async function compare(setting: Setting, images: readonly ManifestRow[], ranges: ReadonlyMap<string, Range>): Promise<Comparison> {
  const { engine, model, inputSize, layers, classifier } = setting
  const agreement = new Agreement(layers, classifier)
  const classOf = classFinderOf(setting.record, model)
  const wanted = classifier === undefined ? layers : [...layers, classifier]
  const size = inputSize === undefined ? {} : { inputSize }
  await using exact = new TimedExtractor(await engine.extractor(model.network, model.weights.tensors, wanted, size))
  await using quantised = new TimedExtractor(await engine.extractor(model.network, model.weights.tensors, wanted, { ...size, ranges }))
  const both = handled(exact.extractor, async batch => {
    const copy = { shape: batch.shape, data: batch.data.slice() }
    return new Map([...prefixed('exact ', await exact.run(copy)), ...prefixed('int8 ', await quantised.run(batch))])
  })
  for await (const { image, layers: found } of through(setting, images, both, batchSize)) {
    agreement.add(without('exact ', found), without('int8 ', found), classOf(image.row.label))
  }
  const speedup = exact.shortest / quantised.shortest
  return Number.isFinite(speedup) ? { agreement, speedup } : { agreement }
}

/** The ranges of a sample alone, without a comparison: for trying out how long a run takes. */
export async function calibrateRanges(
  options: CalibrateOptions & { readonly sample: CalibrationSample },
): Promise<ReadonlyMap<string, Range>> {
  const { ranges } = await rangesOf(await settingOf(options), options.sample.chosen, options.method ?? defaultMethod)
  return ranges
}

/** Ranges and agreement of one sample of images: the same sample with the same classes, network and layers give them again. */
async function caseOf(
  { record, provider }: CalibrateOptions,
  sample: CalibrationSample,
  method: CalibrationMethod,
): Promise<CalibrationCase> {
  const { name, version } = await provider.openEngine()
  const { weights, layers, preparation } = record.identity
  const classOf = classFinderOf(record, await provider.outline(record.spec.model, record.spec.weights))
  const versions = [sample.chosen, sample.others].map(items => items.map(({ key, etag, label }) => [key, etag, classOf(label)]))
  const hash = createHash('sha256').update(JSON.stringify(versions)).digest('hex')
  return { plan: planVersion, engine: name, version, processor: processorText(), weights, layers, preparation, method, sample: hash }
}

/**
 * Chooses the ranges that a run computes in int8 with, from a sample of its images in float32, and compares int8 with float32 on other
 * images, or on the same where there are no others. What was found for the same sample before is kept on this machine.
 * @throws LayermillError `CALIBRATION_INVALID` where not one image could be computed; `PRECISION_UNAVAILABLE` with another engine.
 */
export async function calibrateRun(options: CalibrateOptions): Promise<FoundCalibration> {
  const { source, method = defaultMethod, kept = keptCalibrations() } = options
  const sample = options.sample ?? (await sampleImages(source.items()))
  const { chosen, others } = sample
  const found = await caseOf(options, sample, method)
  const known = await kept.find(found)
  if (known !== undefined) return known
  options.onSample?.(chosen.length, others.length)
  const setting = await settingOf(options)
  const { keys, ranges } = await rangesOf(setting, chosen, method)
  if (keys.length === 0) {
    throw new LayermillError(
      'CALIBRATION_INVALID',
      `int8 is calibrated with images of the dataset, and of ${chosen.length} not one could be computed`,
      {
        hint: 'leave out --precision int8 to see why in the errors of the run',
      },
    )
  }
  const held = await compare(setting, others, ranges)
  const { agreement, speedup } = held.agreement.images > 0 ? held : await compare(setting, chosen, ranges)
  const float32 = isOnnxNetwork(setting.model.network) ? agreement.below(scoresOf(setting.model.network)) : []
  const exact = float32.length === 0 ? {} : { float32 }
  const calibration: Calibration = {
    version: 1,
    method,
    sample: keys,
    ranges: Object.fromEntries([...ranges].map(([point, [low, high]]) => [point, [low, high]])),
    ...exact,
  }
  const report = { method, images: keys.length, heldOut: held.agreement.images > 0, ...agreement.report, ...exact }
  const result = { calibration, report, ...(speedup === undefined ? {} : { speedup }) }
  await kept.keep(found, result)
  return result
}
