import type { FileFormat, GraphVariant, WeightsPreparation } from '@layermill/models'
import type { Tensor } from '@layermill/core'

/** Formats that weights are read from. `random` is no file. */
export type WeightFormat = FileFormat | 'onnx' | 'random'

/** Whose conventions weights follow: decides epsilon and pooling (`variant`) and how images are prepared. `random` are made here. */
export type WeightOrigin = 'chainer' | 'caffe' | 'keras' | 'torchvision' | 'timm' | 'transformers' | 'random'

/** All parameters of one network. */
export interface WeightSet {
  /** By canonical name (`conv1_1/W`, `res2/a/bn1/gamma`): exactly those of the network, in the order of its graph. */
  readonly tensors: Map<string, Tensor>
  /** Changes that these weights make in the graph: give it to `getNetwork(id, variant)`. */
  readonly variant: GraphVariant
  /** Source of the weights: a path, a URL, the name of a published file, `random:SEED`. */
  readonly source: string
  readonly format: WeightFormat
  /** By the names in the file; a file written here says whose weights it holds. */
  readonly origin?: WeightOrigin
  /** Identity of the tensors and the variant, whatever the file they came in (see `weightsIdentity`). */
  readonly sha256: string
  /** GoogLeNet of torchvision without its auxiliary classifiers: those are initialised as `random:0`. */
  readonly missingAuxiliary?: boolean
  /** How whoever trained them prepared images; left out for random weights: then as the network's table says. */
  readonly preparation?: WeightsPreparation
  /** Remarks for people on a file whose end is not the published one: the classifier that was taken, the tensors that were not read. */
  readonly notes?: readonly string[]
  /** Names of the classes, where the file has them. */
  readonly labels?: readonly string[]
}

/** One tensor in a file, not read yet. */
export interface TensorEntry {
  readonly shape: readonly number[]
  /** As the format calls it: `F32`, `<f4`. */
  readonly dtype: string
  /** Reads it as float32 in row-major order. */
  read(): Promise<Float32Array>
}

/** How tensors are to be held. */
export interface ReadOptions {
  /** They will be handed over to an engine's thread: then not in shared memory, which is given back late. Default: false. */
  readonly handOver?: boolean | undefined
}

/** An opened file of weights: its list of contents; tensors are read one at a time. */
export interface TensorFile extends AsyncDisposable {
  readonly name: string
  readonly format: FileFormat
  readonly entries: ReadonlyMap<string, TensorEntry>
  /** Texts that the file carries beside its tensors. */
  readonly metadata: ReadonlyMap<string, string>
  /** The file on this machine, where it is one. */
  readonly path?: string | undefined
  /** Facts from the file on the model around the tensors. */
  readonly model?: ModelFacts
  close(): Promise<void>
}

/** Facts that a file of a whole model (Keras) has beside its tensors. */
export interface ModelFacts {
  /** Why its end is no linear layer on the mean of the features, where it is not. */
  readonly otherHead?: string
  /** Its scores go through no softmax and are none to put one on (a sigmoid for each class). */
  readonly scoresOnly?: boolean
  readonly notes?: readonly string[]
}
