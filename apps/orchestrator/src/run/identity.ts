import { createHash } from 'node:crypto'
import {
  type ExtractSpec,
  type InputNumbers,
  type LayerResult,
  needsFit,
  parseRule,
  type PredictSpec,
  type ReduceRule,
  reducedShape,
  reductionText,
  type RunIdentity,
  type RunSpec,
} from '@layermill/contracts'
import { elementCount, LayermillError } from '@layermill/core'
import { expandLayers, givesOwnSizes, inputOf, layerShapes, type Network, type Size2 } from '@layermill/models'

export interface IdentityInput {
  spec: ExtractSpec | PredictSpec
  network: Network
  weightsSha256: string
  /** Version of the decoding and resampling code. */
  preparationVersion: string
  /** Names of the classes, where the network's file or one beside it has them; the spec's come first. */
  labels?: readonly string[] | undefined
}

/** The layers a run computes: the ones asked for, or the network's default; a prediction's are the probabilities. */
export function runLayers(spec: ExtractSpec | PredictSpec, network: Network): string[] {
  if (spec.kind === 'predict') return [network.probabilities]
  const layers = expandLayers(network, spec.layers ?? [network.defaultLayer])
  return spec.tokens === undefined ? layers : tokenLayers(network, layers, spec.tokens)
}

/** The parts of tokens of each layer, as layers of their own: `norm:cls`. */
function tokenLayers(network: Network, layers: readonly string[], tokens: readonly string[]): string[] {
  if (network.graph === undefined) {
    throw new LayermillError('SPEC_INVALID', `tokens: ${network.id} has no layers of tokens; networks of ONNX files can have`, {
      hint: 'leave out --tokens; --pool shrinks feature maps',
    })
  }
  return layers.flatMap(layer => tokens.map(part => (part === 'all' ? layer : `${layer}:${part}`)))
}

/**
 * The input size of a run, or undefined where each image keeps its own, or has the one that the preparation gives it.
 * @throws LayermillError `INPUT_SIZE` where one size is asked for and the preparation gives each image its own
 */
export function runInputSize(spec: Pick<RunSpec, 'size'>, network: Network): Size2 | undefined {
  const { size } = spec
  if (size === 'keep') return undefined
  if (!givesOwnSizes(network.preparation)) return size === undefined ? network.inputSize : [size.height, size.width]
  if (size === undefined) return undefined
  throw ownSizes(`--size ${size.width}x${size.height}`)
}

/** The error of asking for inputs of one size where the preparation gives each image a size of its own. */
export function ownSizes(asked: string): LayermillError {
  return new LayermillError(
    'INPUT_SIZE',
    `${asked}: the preparation keeps the aspect and cuts nothing, so each image has a size of its own`,
    {
      hint: 'use --size keep, or --prepare with one that cuts or resizes to one size',
    },
  )
}

/** Settings of a network's preparation besides the filter. */
export function inputNumbers({ preparation }: Pick<Network, 'preparation'>): InputNumbers {
  return inputOf(preparation) as InputNumbers
}

const hashOf = (names: readonly string[]): string => createHash('sha256').update(JSON.stringify(names)).digest('hex')

/** Identity of a run: all that decides its numbers. */
export function runIdentity({ spec, network, weightsSha256, preparationVersion, labels: own }: IdentityInput): RunIdentity {
  const size = runInputSize(spec, network)
  const extract = spec.kind === 'extract' ? spec : undefined
  const labels = spec.kind === 'predict' ? (spec.labels ?? own) : undefined
  return {
    model: network.id,
    weights: weightsSha256,
    layers: runLayers(spec, network),
    preparation: {
      version: preparationVersion,
      size: size === undefined ? 'keep' : { height: size[0], width: size[1] },
      resample: spec.resample ?? network.preparation.resample,
      autoOrient: spec.autoOrient,
      oversample: spec.kind === 'predict' && spec.oversample,
      ...(spec.decode === 'draft' ? { decode: spec.decode } : {}),
      input: inputNumbers(network),
    },
    // The choice of `auto` is made as the run is made.
    precision: spec.precision === 'auto' ? 'fp32' : spec.precision,
    pool: extract?.pool ?? 'none',
    ...reductionOf(extract, network),
    dtype: extract?.dtype ?? 'float32',
    format: extract?.format ?? 'predictions',
    ...(spec.kind === 'predict' ? { top: spec.top, ...(labels === undefined ? {} : { labels: hashOf(labels) }) } : {}),
  }
}

/** Rules of the layers that are reduced. */
function reductionOf(spec: ExtractSpec | undefined, network: Network): Pick<RunIdentity, 'reduction'> {
  if (spec === undefined) return {}
  const rules = runLayers(spec, network).map(layer => [layer, reductionText(spec, layer)] as const)
  const given = rules.filter((rule): rule is readonly [string, string] => rule[1] !== undefined)
  return given.length === 0 ? {} : { reduction: Object.fromEntries(given) }
}

/** Refuses rules for layers that the run does not write, and flags that no rule takes up. */
function checkReduction(spec: ExtractSpec, layers: readonly string[]): void {
  for (const part of spec.reduce?.split(',') ?? []) {
    const [layer = '*'] = part.split('=')
    if (layer !== '*' && !layers.includes(layer))
      throw new LayermillError('SPEC_INVALID', `--reduce: ${layer} is not among the layers of the run: ${layers.join(', ')}`)
  }
  if (spec.whiten === true && !layers.some(layer => reductionText(spec, layer)?.includes('whiten') === true))
    throw new LayermillError('SPEC_INVALID', '--whiten: expected --reduce pca:COMPONENTS, whose components it divides')
  if (spec.reduction !== undefined && !layers.some(layer => needsFit(parseRule(reductionText(spec, layer) ?? 'none'))))
    throw new LayermillError('SPEC_INVALID', '--reduction: expected --reduce pca:COMPONENTS or --center, whose numbers it gives')
}

/** Names of layers whose shape depends on the size of the image. */
function sizeDependentLayers(network: Network, layers: readonly string[]): string[] {
  const [height, width] = network.inputSize
  return layers.filter(layer => {
    const shape = (size: Size2): string => String(layerShapes(network, [layer], size).get(layer))
    return shape([height, width]) !== shape([height * 2, width * 2])
  })
}

/**
 * Shapes and sizes of a run's results, one row an image.
 * @throws LayermillError `LAYER_UNKNOWN`; `INPUT_SIZE` where a layer cannot take the size, or where images keep their own size and a
 * layer's shape would differ from image to image.
 */
export function layerResults(spec: ExtractSpec, network: Network): LayerResult[] {
  const layers = runLayers(spec, network)
  const size = runInputSize(spec, network)
  const shapes = layerShapes(network, layers, size)
  checkReduction(spec, layers)
  const ruleOf = (layer: string): ReduceRule => parseRule(reductionText(spec, layer) ?? 'none')
  if (size === undefined && spec.pool === 'none') {
    const varying = sizeDependentLayers(network, layers).filter(layer => !['avg', 'max'].includes(ruleOf(layer).kind))
    if (varying.length > 0) {
      throw new LayermillError('INPUT_SIZE', `with --size keep every image has its own shape at ${varying.join(', ')}`, {
        hint: 'add --pool avg or --pool max, or take a layer behind a global pooling, such as pool5 of the ResNets',
      })
    }
  }
  return layers.map(name => {
    const full = shapes.get(name)!
    const pooled = spec.pool === 'none' || full.length !== 3 ? full : [full[0]!]
    const shape = [...reducedShape(pooled, ruleOf(name))]
    return { name, shape, dtype: spec.dtype, bytesPerImage: elementCount(shape) * (spec.dtype === 'float16' ? 2 : 4) }
  })
}
