import { imageLimits, type FinetuneSpec, type TrainingPlan } from '@layermill/contracts'
import { elementCount, errorMessage, LayermillError, memoryLimit, type Tensor, type TensorMap } from '@layermill/core'
import type { Engine } from '@layermill/engines'
import { type ExplainedImage, explainedInput, ImageExplainer } from '@layermill/inference'
import type { FineTunedNetwork, Size2 } from '@layermill/models'
import { encodePng, overlayMap, prepareImage, seenPicture, thumbnail } from '@layermill/preprocess'
import { type ImageSource, readWithin } from '@layermill/storage'
import type { Mistake } from '../metrics-line.js'
import { thumbnailSide } from '../../results/thumbnails.js'

/** Mistakes that are explained, the worst ones. */
const mostExplained = 12
/** Images computed at once. */
const batchSize = 4
/** Copies of the weights that explaining holds at once: this process's, the engine's, its session's and the file of its making. */
const weightCopies = 4

/** Pictures of where the score of a wrong class comes from. */
export interface ExplainedMistakes {
  /** JPEGs in the order of the mistakes, shorter than they; undefined where nothing speaks for the class, or a picture cannot be read. */
  readonly overlays: readonly (Uint8Array | undefined)[]
  /** Layer that was looked at, or the reason why there are no pictures. */
  readonly layer: string | { readonly missing: string }
}

export interface ExplainMistakesOptions {
  readonly openEngine: (() => Promise<Engine>) | undefined
  readonly spec: FinetuneSpec
  readonly plan: TrainingPlan
  readonly network: FineTunedNetwork
  readonly tensors: TensorMap
  readonly source: ImageSource
  readonly signal: AbortSignal
}

/** The reason why mistakes of a run are not explained, where it is known beforehand. */
function reasonAgainst({ openEngine, plan, network, tensors }: ExplainMistakesOptions): string | undefined {
  if (openEngine === undefined) return 'this process has no engine to explain them with'
  if (plan.target !== undefined) return 'only answers of one class an image are explained here'
  if (network.base.graph !== undefined) return 'the network is a file: layermill explain with this model shows where its answers come from'
  const values = [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0)
  if (values * 4 * weightCopies > memoryLimit()) return 'this process has too little memory for it'
  return undefined
}

interface Prepared {
  readonly mistake: Mistake
  readonly tensor: Float32Array
}

/** A held-out image as the network sees it; undefined where it cannot be read any more. */
async function prepared(mistake: Mistake, size: Size2, options: ExplainMistakesOptions): Promise<Prepared | undefined> {
  const { spec, plan, network, source } = options
  const { maxBytes, timeoutMs } = imageLimits(spec)
  const { centerCrop } = explainedInput(network)
  try {
    const bytes = await readWithin(source, mistake, maxBytes)
    const { resample, autoOrient } = plan
    const { tensor } = await prepareImage(bytes, network.preparation, { size, centerCrop, resample, autoOrient, timeoutMs })
    return { mistake, tensor }
  } catch {
    // A picture that is gone by now is only missed here.
    return undefined
  }
}

/** Draws an explanation, where it is of the class that the image was taken for. */
async function draw({ mistake, tensor }: Prepared, found: ExplainedImage, size: Size2, options: ExplainMistakesOptions) {
  const { plan, network } = options
  if (found.shown === undefined || plan.classes[found.index] !== mistake.predicted) return undefined
  const png = await encodePng(overlayMap(seenPicture(tensor, size, network.preparation), found.shown))
  return await thumbnail(png, thumbnailSide, {})
}

async function explained(
  mistakes: readonly Mistake[],
  options: ExplainMistakesOptions & { readonly engine: Engine },
): Promise<ExplainedMistakes> {
  const { engine, network, tensors, signal } = options
  const { size } = explainedInput(network)
  await using explainer = await ImageExplainer.open(engine, {
    network,
    weights: tensors,
    method: 'grad-cam',
    inputSize: size,
    batchSize,
    signal,
  })
  const overlays: (Uint8Array | undefined)[] = []
  for (let at = 0; at < mistakes.length; at += batchSize) {
    signal.throwIfAborted()
    const read = await Promise.all(mistakes.slice(at, at + batchSize).map(mistake => prepared(mistake, size, options)))
    const images = read.filter(image => image !== undefined)
    const data = new Float32Array(images.length * 3 * size[0] * size[1])
    for (const [i, { tensor }] of images.entries()) data.set(tensor, i * tensor.length)
    const batch: Tensor = { shape: [images.length, 3, ...size], data }
    const found = images.length === 0 ? [] : await explainer.explain(batch, undefined)
    for (const image of read) overlays.push(image && (await draw(image, found[images.indexOf(image)]!, size, options)))
  }
  return { overlays, layer: explainer.layer ?? '' }
}

/**
 * Explains the worst mistakes by Grad-CAM of the class that each was taken for, at the network's last layer with maps. A run does not fail by
 * what its report cannot show: the reason stands there.
 * @throws the signal's reason
 */
export async function explainMistakes(mistakes: readonly Mistake[], options: ExplainMistakesOptions): Promise<ExplainedMistakes> {
  const missing = reasonAgainst(options)
  if (missing !== undefined) return { overlays: [], layer: { missing } }
  try {
    return await explained(mistakes.slice(0, mostExplained), { ...options, engine: await options.openEngine!() })
  } catch (error) {
    options.signal.throwIfAborted()
    if (!(error instanceof LayermillError)) throw error
    return { overlays: [], layer: { missing: errorMessage(error) } }
  }
}
