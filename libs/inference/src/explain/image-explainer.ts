import { overLargest, resizeMap } from '@layermill/analysis'
import { formatShape, LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { type Engine, type Explainer, type Extractor, softmax } from '@layermill/engines'
import { isFineTuned, layerShapes, namedLayers, type Network, resolveLayers, type Size2, type SliceTarget } from '@layermill/models'
import { isOnnxNetwork } from '@layermill/onnx'
import { type ExplainMethod, inputMethods, layerMethods } from './methods.js'
import { occlusionMap } from './occlusion.js'

export interface ImageExplainerOptions {
  readonly network: Network
  readonly weights: TensorMap
  readonly method: ExplainMethod
  /** A layer with maps; for methods that look at one. Default: the last one that is no pooling. */
  readonly layer?: string | undefined
  readonly inputSize: Size2
  /** Covered images computed at once. */
  readonly batchSize: number
  readonly signal?: AbortSignal | undefined
}

/** Places in one image that a class's score comes from. */
export interface ExplainedImage {
  /** The class that is explained. */
  readonly index: number
  readonly probability: number
  /** [height, width] of the layer, or of the image. */
  readonly map: Float64Array
  readonly size: Size2
  /** The map at the image's size, divided by its largest magnitude; undefined where all of it is 0. */
  readonly shown: Float64Array | undefined
}

/** Layers that may have maps, the last one first, without poolings. */
function candidates(network: Network): readonly string[] {
  if (!isOnnxNetwork(network)) {
    const ops = new Map(network.nodes.map(({ name, op }) => [name, op]))
    return network.availableLayers.toReversed().filter(layer => !/pool/i.test(ops.get(resolveLayers(network, [layer])[0]!) ?? ''))
  }
  const { producers, nodes } = network.graph.model.graph
  const made = network.availableLayers.flatMap(module => {
    const found = namedLayers(network, [`module:${module}`])
    const node = found.length === 1 ? producers.get(found[0]!.value) : undefined
    return node === undefined || /pool/i.test(nodes[node]!.op) ? [] : [{ layer: found[0]!.name, node }]
  })
  return made.toSorted((a, b) => b.node - a.node).map(({ layer }) => layer)
}

/** The last layer before the scores that has maps of several positions and is no pooling. */
export function lastMaps(network: Network, inputSize: Size2): string {
  const found = candidates(network).find(layer => {
    try {
      const shape = layerShapes(network, [layer], inputSize).get(layer)!
      return shape.length === 3 && shape[1]! * shape[2]! > 1
    } catch (error) {
      // A layer that images of this size do not reach, or whose shape is not known.
      if (error instanceof LayermillError && error.code === 'INPUT_SIZE') return false
      throw error
    }
  })
  if (found !== undefined) return found
  throw new LayermillError('LAYER_UNKNOWN', `${network.id} has no layer with maps at ${inputSize[1]}x${inputSize[0]}`, {
    hint: '--method gradient-x-input or occlusion look at the image itself',
  })
}

const highest = (values: ArrayLike<number>): number => {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** The probabilities, or numbers, that scores of one target stand for. */
function answersOf(scores: Float32Array, target: SliceTarget): Float32Array {
  if (target === 'regression') return scores
  return target === 'multi-label'
    ? scores.map(score => 1 / (1 + Math.exp(-score)))
    : softmax({ shape: [1, scores.length], data: scores }).data
}

/** The same of a network's scores. */
function answers(scores: Float32Array, network: Network): Float32Array {
  const { target = 'class', slices = [] } = isFineTuned(network) ? network.head : {}
  if (target !== 'mixed') return answersOf(scores, target)
  let from = 0
  return Float32Array.from(slices.flatMap(({ target: own, classes }) => [...answersOf(scores.slice(from, (from += classes.length)), own)]))
}

/** Tells where in images the score of a class comes from. */
export class ImageExplainer implements AsyncDisposable {
  private constructor(
    private readonly options: ImageExplainerOptions,
    /** Layer that is looked at; none for methods that look at the image. */
    readonly layer: string | undefined,
    private readonly session: { readonly explainer: Explainer } | { readonly extractor: Extractor },
  ) {}

  /** @throws LayermillError `LAYER_UNKNOWN`, also for a layer without maps; as the engine */
  static async open(engine: Engine, options: ImageExplainerOptions): Promise<ImageExplainer> {
    const { network, weights, method, inputSize } = options
    if (method === 'occlusion') {
      const extractor = await engine.extractor(network, weights, [network.probabilities], { inputSize })
      return new ImageExplainer(options, undefined, { extractor })
    }
    const layer = layerMethods[method] === undefined ? undefined : (options.layer ?? lastMaps(network, inputSize))
    if (layer !== undefined) {
      const shape = layerShapes(network, [layer], inputSize).get(layer)!
      if (shape.length !== 3) {
        throw new LayermillError(
          'LAYER_UNKNOWN',
          `layer ${layer} of ${network.id} is ${formatShape(shape)}; ${method} needs one with maps`,
          {
            hint: `the last one is ${lastMaps(network, inputSize)}`,
          },
        )
      }
    }
    const explainer = await engine.explainer(network, weights, {
      layers: layer === undefined ? [] : [layer],
      inputSize,
      inputGradient: layer === undefined,
    })
    return new ImageExplainer(options, layer, { explainer })
  }

  /**
   * @param images prepared, [N, 3, H, W]
   * @param label the class to explain; left out, each image's likeliest
   */
  async explain(images: Tensor, label: number | undefined): Promise<ExplainedImage[]> {
    if ('extractor' in this.session) return await this.occlude(images, label, this.session.extractor)
    const count = images.shape[0]!
    const { method, inputSize } = this.options
    const copy = { shape: images.shape, data: images.data.slice() }
    const classes = label === undefined ? undefined : new Int32Array(count).fill(label)
    const { scores, values, gradients, inputGradient } = await this.session.explainer.explain(copy, classes)
    const [value, gradient] = this.layer === undefined ? [images, inputGradient] : [values.get(this.layer)!, gradients.get(this.layer)!]
    const [, channels, height, width] = value.shape as [number, number, number, number]
    const each = channels * height * width
    return Array.from({ length: count }, (_, i) => {
      const row = ({ data }: Tensor): Float32Array => data.subarray(i * each, (i + 1) * each)
      const evidence = { channels, height, width, activations: row(value), gradients: row(gradient) }
      const map = layerMethods[method]?.(evidence).map ?? inputMethods[method]!(evidence)
      const own = scores.data.subarray((i * scores.data.length) / count, ((i + 1) * scores.data.length) / count)
      const index = label ?? highest(own)
      return explained(index, answers(own, this.options.network)[index]!, map, [height, width], inputSize)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ('explainer' in this.session ? this.session.explainer : this.session.extractor).release()
  }

  private async occlude(images: Tensor, label: number | undefined, extractor: Extractor): Promise<ExplainedImage[]> {
    const { batchSize, signal, inputSize } = this.options
    const each = images.data.length / images.shape[0]!
    const results: ExplainedImage[] = []
    for (let i = 0; i < images.shape[0]!; i++) {
      const image = { shape: images.shape.slice(1), data: images.data.slice(i * each, (i + 1) * each) }
      const index = label ?? highest(await probabilitiesOf(image, extractor))
      const { map, probabilities } = await occlusionMap(image, index, { extractor, batchSize, signal })
      results.push(explained(index, probabilities[index]!, map, inputSize, inputSize))
    }
    return results
  }
}

async function probabilitiesOf({ shape, data }: Tensor, extractor: Extractor): Promise<Float32Array> {
  return (await extractor.run({ shape: [1, ...shape], data: data.slice() })).get(extractor.layers[0]!)!.data
}

function explained(index: number, probability: number, map: Float64Array, size: Size2, inputSize: Size2): ExplainedImage {
  const same = size[0] === inputSize[0] && size[1] === inputSize[1]
  return { index, probability, map, size, shown: overLargest(same ? map : resizeMap(map, size, inputSize)) }
}
