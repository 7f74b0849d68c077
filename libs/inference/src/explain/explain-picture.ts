import type { Tensor } from '@layermill/core'
import { type FilePreparation, givesOwnSizes, isFineTuned, type Network, type Size2 } from '@layermill/models'
import { encodePng, overlayMap, prepareImage, type PrepareOptions, seenPicture } from '@layermill/preprocess'
import { specNetwork } from '../any-model.js'
import type { ModelProvider } from '../model-provider.js'
import { ImageExplainer } from './image-explainer.js'

/** Side of pictures that take part although the network takes any size. */
const usualSize: Size2 = [224, 224]

/** Preparation of a picture that is explained: as the network sees it when it predicts. */
export function explainedInput(network: Network): { readonly size: Size2 } & Pick<PrepareOptions, 'centerCrop'> {
  const { preparation, inputSize } = network
  return {
    size: givesOwnSizes(preparation) && inputSize[0] === 0 ? usualSize : inputSize,
    centerCrop: preparation.resize.kind !== 'rule' && !isFineTuned(network),
  }
}

export interface ExplainPictureOptions {
  readonly provider: ModelProvider
  /** Network by name, or the folder or URL of a model. */
  readonly model: string
  readonly weights: string
  readonly prepare?: string | FilePreparation | undefined
  /** File of one image. */
  readonly bytes: Uint8Array
  /** Milliseconds of its decoding. */
  readonly timeoutMs: number
}

/** The likeliest class of a picture, and where in it its score comes from. */
export interface ExplainedPicture {
  readonly label: string
  /** 0 to 1. */
  readonly probability: number
  /** Layer that was looked at. */
  readonly layer: string
  /** PNG of the picture as the network sees it, warm where it speaks for the class; undefined where nothing does. */
  readonly overlay: Uint8Array | undefined
}

/**
 * Explains the likeliest class of one image by Grad-CAM at the last layer with maps.
 * @throws LayermillError `IMAGE_...`; `LAYER_UNKNOWN` for a network without maps; as the provider and the engine, which may lack a gradient
 */
export async function explainPicture(options: ExplainPictureOptions): Promise<ExplainedPicture> {
  const { provider, model, weights, bytes, timeoutMs } = options
  const loaded = await provider.model(model, weights)
  const network = specNetwork(loaded, options, () => undefined)
  const { size, centerCrop } = explainedInput(network)
  const { tensor } = await prepareImage(bytes, network.preparation, { size, centerCrop, timeoutMs })
  await using explainer = await ImageExplainer.open(await provider.openEngine(), {
    network,
    weights: loaded.weights.tensors,
    method: 'grad-cam',
    inputSize: size,
    batchSize: 1,
  })
  const image: Tensor = { shape: [1, 3, ...size], data: tensor }
  const { index, probability, shown } = (await explainer.explain(image, undefined))[0]!
  const label = loaded.labels[index] ?? `class ${index}`
  const overlay = shown === undefined ? undefined : await encodePng(overlayMap(seenPicture(tensor, size, network.preparation), shown))
  return { label, probability, layer: explainer.layer ?? '', overlay }
}
