import type { GraphVariant, NetworkTable, Preparation, TableFamily } from '../../graph.js'
import type { LayerNames } from './layer-names.js'
import type { ParameterNames } from './naming.js'
import type { PublishedWeights } from './published.js'
import type { TimmSettings } from './timm.js'

/**
 * How the weights of a layer begin:
 * - `normal001`: normal, standard deviation 0.01
 * - `heFanIn`: normal, sqrt(2 / inputs)
 * - `heFanOut`: normal, sqrt(2 / outputs), a convolution's kernel counted
 * - `lecunUniform`: uniform in +-sqrt(3 / inputs) (Caffe's "xavier")
 * - `torchLinear`: uniform in +-1/sqrt(inputs), the bias too
 */
export type Initialiser = 'normal001' | 'heFanIn' | 'heFanOut' | 'lecunUniform' | 'torchLinear'

/** Preparations by the names that `--prepare` takes. The first two are the defaults of the two families. */
export interface Preparations {
  readonly chainer: Preparation
  readonly torchvision: Preparation
  readonly keras?: Preparation
  /** The image processor of transformers. */
  readonly transformers?: Preparation
  /** Of the weights that torchvision calls `IMAGENET1K_V2`. */
  readonly 'torchvision-v2'?: Preparation
  /** Of a network that torchvision builds without weights, where that differs. */
  readonly 'torchvision-plain'?: Preparation
}

/** Classifiers beside the main one, which only training needs. */
export interface AuxiliaryClassifiers {
  /** Links of the linear layers that give their scores. */
  readonly classifiers: readonly string[]
  /** Links of everything that belongs to them: a file may lack them all. */
  readonly links: RegExp
}

/** Everything that is known of one network. Shapes, costs, programs of the engines, lists and help follow from it. */
export interface NetworkDefinition<Name extends string = string> {
  readonly name: Name
  /** Nodes and public layers. */
  table(family: TableFamily, variant: GraphVariant): NetworkTable
  /** Links of the linear layers behind the features, first to last; the last gives the scores. */
  readonly head: readonly string[]
  readonly auxiliary?: AuxiliaryClassifiers
  /** How each family's makers initialise it: docs/weights.md has the sources. */
  readonly initialisers: Readonly<Record<TableFamily, { readonly convolution: Initialiser; readonly linear: Initialiser }>>
  readonly preparations: Preparations
  /** Settings of timm's models of this network, by tag. */
  readonly timm: Readonly<Record<string, TimmSettings>>
  /** Preparations of torchvision's weights, by their enumeration, where the table's graph leaves out a step of torchvision's. */
  readonly torchvisionWeights?: Readonly<Record<string, Preparation>>
  /** Remark on weights with torchvision's names, which leave open how images are prepared. */
  readonly torchvisionRemark?: string
  /** Names of the parameters in other systems. */
  readonly parameters: ParameterNames
  /** Names of the layers in other systems. */
  readonly layerNames: LayerNames
  readonly published: Readonly<Record<TableFamily, PublishedWeights>>
}

/** Keeps the name of a definition as its type. */
export const defineNetwork = <const Name extends string>(definition: NetworkDefinition<Name>): NetworkDefinition<Name> => definition
