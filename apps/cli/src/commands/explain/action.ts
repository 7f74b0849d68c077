import { flagCount } from '@layermill/contracts'
import { absolutePlace, classify, errorMessage, exitCodes, LayermillError, printableName, type Tensor } from '@layermill/core'
import { type Device, openEngine } from '@layermill/engines'
import {
  explainedInput,
  type ExplainedImage,
  explainMethods,
  type ExplainMethod,
  ImageExplainer,
  loadAnyModel,
  type LoadedModel,
  specNetwork,
} from '@layermill/inference'
import type { Network, Preparation, Size2 } from '@layermill/models'
import { defaultMaxPixels, encodePng, overlayMap, prepareImage, seenPicture } from '@layermill/preprocess'
import { csvRow } from '@layermill/orchestrator/results'
import { type ImageSource, openSource, openStore, type SourceItem, type Store } from '@layermill/storage'
import { isPreparationPlace, loadWeights, readPreparation } from '@layermill/weights'
import { npyBytes } from '../../arrays/npy.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatPlural } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'
import { resolveModel } from '../../registry/registry.js'
import { ExplainReport } from './report.js'

export interface ExplainOptions {
  readonly model: string
  readonly weights: string
  readonly prepare?: string
  readonly registry?: string
  readonly method: string
  readonly layer?: string
  readonly class?: string
  readonly limit?: string
  readonly batchSize: string
  readonly device: string
  readonly arrays?: boolean
  readonly out: string
  readonly json?: boolean
}

interface Prepared {
  readonly key: string
  readonly tensor: Float32Array
}

function methodOf(text: string): ExplainMethod {
  const found = explainMethods.find(method => method === text)
  if (found !== undefined) return found
  throw new LayermillError('SPEC_INVALID', `--method: got ${JSON.stringify(text)}, expected ${explainMethods.join(', ')}`)
}

/** The class's number: by its name, or the number itself. */
function classOf(text: string | undefined, labels: readonly string[]): number | undefined {
  if (text === undefined) return undefined
  const named = labels.indexOf(text)
  if (named >= 0) return named
  const number = /^\d+$/.test(text) ? Number(text) : -1
  if (number >= 0 && number < labels.length) return number
  const near = labels.filter(label => label.toLowerCase().includes(text.toLowerCase())).slice(0, 5)
  throw new LayermillError(
    'SPEC_INVALID',
    `--class: got ${JSON.stringify(text)}, expected a name or a number from 0 to ${labels.length - 1}`,
    {
      hint: near.length > 0 ? `names with it: ${near.map(printableName).join(', ')}` : 'names are those that predict gives',
    },
  )
}

/** Refuses to choose among the scores of several targets. @throws LayermillError `SPEC_INVALID` */
function requireClass(text: string | undefined, { target, labels }: Pick<LoadedModel, 'target' | 'labels'>): void {
  if (text !== undefined || target?.kind !== 'mixed') return
  throw new LayermillError(
    'SPEC_INVALID',
    `--class: got nothing, expected one of ${labels.slice(0, 5).join(', ')}${labels.length > 5 ? ', ...' : ''}`,
    {
      hint: 'a model with several targets has no likeliest class of all',
    },
  )
}

/** One image as the network sees it when it predicts. */
async function prepareItem(source: ImageSource, item: SourceItem, network: Network): Promise<Prepared> {
  const bytes = await source.read(item)
  const { tensor } = await prepareImage(bytes, network.preparation, { ...explainedInput(network), maxPixels: defaultMaxPixels })
  return { key: item.key, tensor }
}

function stacked(images: readonly Prepared[], [height, width]: Size2): Tensor {
  const data = new Float32Array(images.length * 3 * height * width)
  for (const [i, { tensor }] of images.entries()) data.set(tensor, i * tensor.length)
  return { shape: [images.length, 3, height, width], data }
}

const nameOf = (row: number, ending: string): string => `maps/${String(row).padStart(6, '0')}.${ending}`

interface Writing {
  readonly store: Store
  readonly report: ExplainReport
  readonly labels: readonly string[]
  readonly preparation: Preparation
  readonly size: Size2
  readonly arrays: boolean
}

/** Writes the files of one image; its line of explanations.csv. */
async function write({ key, tensor }: Prepared, row: number, found: ExplainedImage, to: Writing): Promise<string> {
  const { store, report, labels, preparation, size, arrays } = to
  const picture = seenPicture(tensor, size, preparation)
  const png = await encodePng(found.shown === undefined ? picture : overlayMap(picture, found.shown))
  await store.put(nameOf(row, 'png'), png, { contentType: 'image/png' })
  if (arrays) {
    const name = nameOf(row, 'npy')
    await store.put(name, npyBytes(name, { type: 'float32', dims: [...found.size], data: Float32Array.from(found.map) }))
  }
  const label = labels[found.index] ?? `class ${found.index}`
  await report.add({ key, label, probability: found.probability, picture, shown: found.shown })
  const evidence = found.shown === undefined ? 'none' : 'shown'
  return csvRow([key, String(found.index), label, found.probability.toPrecision(6), evidence, nameOf(row, 'png')])
}

/** `layermill explain SOURCE`: overlays that show where in each image the score of a class comes from. */
export async function explainCommand(output: Output, place: string, options: ExplainOptions): Promise<number> {
  const method = methodOf(options.method)
  const limit = options.limit === undefined ? Infinity : flagCount('--limit', options.limit, 1, 100_000_000)
  const batchSize = flagCount('--batch-size', options.batchSize, 1, 4096)
  const cwd = process.cwd()
  const [model, asked] = [await resolveModel(options.model, options), options.prepare]
  const loaded = await loadAnyModel(model, options.weights, loadWeights)
  const prepare = asked !== undefined && isPreparationPlace(asked) ? await readPreparation(asked) : asked
  const network = specNetwork(loaded, { prepare }, text => output.note(text))
  requireClass(options.class, loaded)
  const label = classOf(options.class, loaded.labels)
  const { preparation } = network
  const { size } = explainedInput(network)
  await using source = await openSource(absolutePlace(place, cwd))
  await using store = openStore(absolutePlace(options.out, cwd))
  const engine = await openEngine({ device: options.device as Device })
  const progress = new StepProgress(process.stderr)
  let [explained, without, failed] = [0, 0, 0]
  try {
    await stoppable(output, 'the batch under way is finished', async signal => {
      await using explainer = await ImageExplainer.open(engine, {
        network,
        weights: loaded.weights.tensors,
        method,
        layer: options.layer,
        inputSize: size,
        batchSize,
        signal,
      })
      const report = new ExplainReport(size)
      const to: Writing = { store, report, labels: loaded.labels, preparation, size, arrays: options.arrays === true }
      const lines = [csvRow(['key', 'class', 'name', 'probability', 'evidence', 'overlay'])]
      const finish = async (images: readonly Prepared[]): Promise<void> => {
        if (images.length === 0) return
        const results = await explainer.explain(stacked(images, size), label)
        for (const [i, image] of images.entries()) {
          const found = results[i]!
          lines.push(await write(image, ++explained, found, to))
          if (found.shown === undefined) without++
          const { index, probability } = found
          if (options.json)
            output.json({ key: image.key, class: index, label: loaded.labels[index], probability, overlay: nameOf(explained, 'png') })
        }
        progress.update('explaining', explained, Number.isFinite(limit) ? limit : explained + batchSize)
      }
      let batch: Prepared[] = []
      for await (const item of source.items()) {
        signal.throwIfAborted()
        if (explained + batch.length >= limit) break
        try {
          batch.push(await prepareItem(source, item, network))
        } catch (error) {
          // One image that cannot be used is told and left out.
          if (!(error instanceof LayermillError) || classify(error).scope !== 'image') throw error
          failed++
          output.note(`${printableName(item.key)}: ${errorMessage(error)}`)
        }
        if (batch.length === batchSize) {
          await finish(batch)
          batch = []
        }
      }
      await finish(batch)
      const facts = [
        ['model', options.model],
        ['weights', options.weights],
        ['method', method],
        ...(explainer.layer === undefined ? [] : [['layer', explainer.layer] as const]),
        ['class', options.class ?? "each image's likeliest"],
      ] as const
      await store.put('explanations.csv', lines.join(''))
      await store.put('report.html', report.html(facts), { contentType: 'text/html; charset=utf-8' })
    })
  } finally {
    progress.finish()
    await engine.close()
  }
  if (!options.json) {
    output.line(`${formatPlural(explained, 'image')} explained by ${method}: ${store.url}/report.html, explanations.csv and maps/`)
    if (without > 0)
      output.note(`${formatPlural(without, 'image')} without any evidence for the class: their overlays are the picture itself`)
  }
  if (failed > 0) output.note(`${formatPlural(failed, 'image')} could not be read`)
  return failed > 0 ? exitCodes.doneWithFailures : exitCodes.done
}
