import { LayermillError, nearestNames } from '@layermill/core'
import type { Preparation, Size2 } from '../graph.js'
import { definitionOf } from '../networks/index.js'
import { torchvisionPreparation } from '../networks/shared/preparations.js'
import type { Architecture, Network } from '../types.js'
import { inputOf } from './schema.js'
import { timmTagPreparation, timmTags } from './timm.js'
import { torchvisionWeights, torchvisionWeightsPreparation } from './torchvision-weights.js'
import type { FilePreparation } from './transformers.js'

/** How pictures become a network's input, by whoever trained the weights. */
export interface WeightsPreparation {
  /** A name that `--prepare` takes; of a file that has its own numbers, that file's. */
  readonly name: string
  readonly preparation: Preparation
  /** The size of the input that it is for. */
  readonly inputSize: Size2
  /**
   * How it was decided: by the names of a file's tensors (`names`), of which torchvision's say less than one would wish; by what the file
   * says of itself (`file`); by timm's `config.json` or transformers' `preprocessor_config.json` beside it; by its being a published file;
   * or because it was asked for.
   */
  readonly from: 'names' | 'file' | 'config.json' | 'preprocessor_config.json' | 'published' | 'asked'
}

type Target = Pick<Network, 'architecture'>
type Choice = Pick<WeightsPreparation, 'preparation' | 'inputSize'>

const usualSize: Size2 = [224, 224]

/** Preparations of an architecture by name, in the order of its definition. */
const named = (architecture: Architecture): Readonly<Record<string, Preparation>> => ({ ...definitionOf(architecture)?.preparations })

const timmPrefix = 'timm:'
const torchvisionPrefix = 'torchvision:'

/** By the name of torchvision's weights, of whatever architecture. */
function ofTorchvisionWeights(weights: string, architecture: Architecture): Choice | undefined {
  const choice = torchvisionWeightsPreparation(weights)
  const own = definitionOf(architecture)?.torchvisionWeights?.[weights.split('.')[0]!]
  return choice && own ? { ...choice, preparation: own } : choice
}

function find(name: string, architecture: Architecture): Choice | undefined {
  if (name.startsWith(torchvisionPrefix)) return ofTorchvisionWeights(name.slice(torchvisionPrefix.length), architecture)
  if (architecture === 'onnx') return name === 'torchvision' ? { preparation: torchvisionPreparation, inputSize: usualSize } : undefined
  if (name.startsWith(timmPrefix)) return timmTagPreparation(architecture, name.slice(timmPrefix.length).replace(`${architecture}.`, ''))
  const own = named(architecture)
  const preparation = Object.hasOwn(own, name) ? own[name] : undefined
  return preparation && { preparation, inputSize: usualSize }
}

/** The names of all preparations that an architecture's weights are trained with. */
export function preparationNames(architecture: Architecture): string[] {
  if (architecture === 'onnx') return ['torchvision']
  return [...Object.keys(named(architecture)), ...timmTags(architecture).map(tag => `${timmPrefix}${tag}`)]
}

/**
 * A preparation by name.
 * @throws LayermillError `PREPARATION_UNKNOWN` where the name is none, or the named library has no such weights of the architecture.
 */
export function namedPreparation(name: string, { architecture }: Target, from: WeightsPreparation['from'] = 'asked'): WeightsPreparation {
  const choice = find(name, architecture)
  if (choice !== undefined) return { name, ...choice, from }
  const own = preparationNames(architecture)
  const names = name.startsWith(torchvisionPrefix) ? torchvisionWeights().map(weights => `${torchvisionPrefix}${weights}`) : own
  throw new LayermillError(
    'PREPARATION_UNKNOWN',
    `--prepare: no preparation '${name}' of ${architecture}; expected one of ${own.join(', ')}, or torchvision:WEIGHTS as torchvision:ResNet50_Weights.IMAGENET1K_V2`,
    {
      hint: `did you mean ${nearestNames(name, names).join(' or ')}? \`layermill models ${architecture}\` lists them`,
    },
  )
}

/** The network with another preparation, and the size of input that belongs to it. */
export function withPreparation<N extends Network>(network: N, chosen: WeightsPreparation | undefined): N {
  return chosen === undefined ? network : { ...network, preparation: chosen.preparation, inputSize: chosen.inputSize }
}

/**
 * The network prepared as a name or a file says; as it is without one. The size of a fine-tuned network's input stays, and that of a
 * network whose pictures have sizes of their own.
 * @throws LayermillError as `namedPreparation` does
 */
export function preparedAs<N extends Network>(network: N, prepare: string | FilePreparation | undefined): N {
  if (prepare === undefined) return network
  const { preparation, inputSize } = typeof prepare === 'string' ? namedPreparation(prepare, network) : prepare
  const keepsSize = 'head' in network || inputSize === undefined || network.graph?.takesSize(inputSize) === false
  return { ...network, preparation, inputSize: keepsSize ? network.inputSize : inputSize }
}

/** Whether a preparation gives each picture a size of its own: batches of one size cannot be made of them. */
export function givesOwnSizes({ resize }: Pick<Preparation, 'resize'>): boolean {
  return resize.kind === 'rule' && resize.input === undefined
}

/** The network with a filter, and with the rest of a preparation where that is given. */
export function preparedWith<N extends Network>(
  network: N,
  { input, resample }: { readonly input?: Omit<Preparation, 'resample'> | undefined; readonly resample: Preparation['resample'] },
): N {
  return { ...network, preparation: { ...(input ?? network.preparation), resample } }
}

/** The name of the preparation that is equal to this one, by content; undefined where none is. Size does not count. */
export function nameOfPreparation(preparation: Preparation, architecture: Architecture): string | undefined {
  const text = contentOf(preparation)
  return preparationNames(architecture).find(name => contentOf(find(name, architecture)!.preparation) === text)
}

/** The numbers of a preparation in one way of writing. */
function contentOf({ resample, ...input }: Preparation): string {
  return JSON.stringify([inputOf(input), resample])
}
