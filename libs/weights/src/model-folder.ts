import { errorMessage, formatShape, fromBytes, LayermillError, sameShape, type Tensor, type TensorMap } from '@layermill/core'
import {
  type FineTunedNetwork,
  isFineTuned,
  type ModelTarget,
  modelTarget,
  type Network,
  type NetworkDescription,
  networkDescription,
  networkFromDescription,
  parameterShapes,
  type Preparation,
  preparationFrom,
  preparedWith,
  resamples,
  type Size2,
} from '@layermill/models'
import { weightsIdentity } from './identity.js'
import { openSafetensors } from './readers/safetensors.js'
import type { WeightSet } from './types.js'
import { safetensorsBytes } from './writers/safetensors.js'

export const modelFile = 'model.json'
export const modelWeightsFile = 'model.safetensors'

/** Place of a model's files: a store, a folder, memory. */
export interface ModelFiles {
  get(key: string): Promise<Uint8Array | undefined>
  put(key: string, bytes: Uint8Array | string): Promise<unknown>
}

/** `model.json`: a fine-tuned network, how its images are prepared, and where it comes from. */
export interface ModelDescription {
  readonly format: 'layermill-model'
  readonly version: 1
  readonly network: NetworkDescription
  readonly classes: readonly string[]
  /** Of several labels an image: the probability above which each class is given, chosen on the held-out images. */
  readonly thresholds?: readonly number[]
  readonly preparation: {
    readonly height: number
    readonly width: number
    readonly resample: Preparation['resample']
    readonly autoOrient: boolean
    /** Channels, means and geometry; models of earlier versions have none: theirs are the base's. */
    readonly input?: Omit<Preparation, 'resample'>
  }
  readonly weights: { readonly file: string; readonly sha256: string }
  /** Base weights, spec and dataset: for people and for `runs`; not needed to load the model. */
  readonly lineage: Readonly<Record<string, unknown>>
  readonly metrics: Readonly<Record<string, unknown>>
}

export interface ModelToWrite {
  readonly network: FineTunedNetwork
  readonly classes: readonly string[]
  readonly thresholds?: readonly number[] | undefined
  /** All parameters of the network, running statistics included. */
  readonly tensors: TensorMap
  readonly resample: Preparation['resample']
  readonly autoOrient: boolean
  readonly lineage: Readonly<Record<string, unknown>>
  readonly metrics: Readonly<Record<string, unknown>>
}

/** A fine-tuned model as it is used. */
export interface StoredModel {
  readonly description: ModelDescription
  readonly network: FineTunedNetwork
  readonly weights: WeightSet
  readonly labels: readonly string[]
  readonly target: ModelTarget | undefined
}

/** How input for a fine-tuned network is made of a picture, as `model.json` and the metadata of `model.onnx` say it. */
export function preparationDescription({
  network,
  resample,
  autoOrient,
}: Pick<ModelToWrite, 'network' | 'resample' | 'autoOrient'>): ModelDescription['preparation'] {
  const [height, width] = network.inputSize
  const { resample: _resample, ...input } = network.preparation
  return { height, width, resample, autoOrient, input }
}

/** The parameters of a network and nothing else, in the order of its graph. */
function ownTensors(network: Network, tensors: TensorMap, where: string): Map<string, Tensor> {
  const own = new Map<string, Tensor>()
  for (const [name, shape] of parameterShapes(network)) {
    const tensor = tensors.get(name)
    if (tensor === undefined || !sameShape(tensor.shape, shape)) {
      const found = tensor === undefined ? 'missing' : formatShape(tensor.shape)
      throw new LayermillError('WEIGHTS_MISMATCH', `${where}: ${name} is ${found}, expected ${formatShape(shape)}`)
    }
    own.set(name, tensor)
  }
  return own
}

/**
 * Writes `model.safetensors`, then `model.json`, which makes the model exist. The same tensors give the same bytes of
 * `model.safetensors`.
 * @throws LayermillError `WEIGHTS_MISMATCH` where a parameter is missing or misshapen; what `files` throws.
 */
export async function writeModelFolder(files: ModelFiles, model: ModelToWrite): Promise<ModelDescription> {
  const { network, classes, thresholds, resample, autoOrient, lineage, metrics } = model
  const tensors = ownTensors(network, model.tensors, network.id)
  const sha256 = await weightsIdentity(tensors, network.variant)
  const description: ModelDescription = {
    format: 'layermill-model',
    version: 1,
    network: networkDescription(network),
    classes,
    ...(thresholds === undefined ? {} : { thresholds }),
    preparation: preparationDescription({ network, resample, autoOrient }),
    weights: { file: modelWeightsFile, sha256 },
    lineage,
    metrics,
  }
  await files.put(
    modelWeightsFile,
    safetensorsBytes(tensors, { format: 'pt', 'layermill.network': network.id, 'layermill.sha256': sha256 }),
  )
  await files.put(modelFile, `${JSON.stringify(description, null, 2)}\n`)
  return description
}

/** Name of the file of a model that is on an ONNX file: the graph with its weights is all of it. */
export const modelGraphFile = 'model.onnx'

/**
 * Writes `model.json` of a network on an ONNX file, whose `model.onnx` is there.
 * @param sha256 of `model.onnx`
 * @throws what `files` throws
 */
export async function writeGraphModel(files: ModelFiles, model: Omit<ModelToWrite, 'tensors'>, sha256: string): Promise<void> {
  const { network, classes, thresholds, resample, autoOrient, lineage, metrics } = model
  const description: ModelDescription = {
    format: 'layermill-model',
    version: 1,
    network: networkDescription(network),
    classes,
    ...(thresholds === undefined ? {} : { thresholds }),
    preparation: preparationDescription({ network, resample, autoOrient }),
    weights: { file: modelGraphFile, sha256 },
    lineage,
    metrics,
  }
  await files.put(modelFile, `${JSON.stringify(description, null, 2)}\n`)
}

const invalid = (where: string, what: string, cause?: unknown): LayermillError =>
  new LayermillError('MODEL_INVALID', `${where}/${modelFile}: ${what}`, { cause })

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isSize = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0
const resampleNames: readonly unknown[] = resamples

/** Checks what the loader relies on; the network's own description is checked by making the network. */
function parseDescription(bytes: Uint8Array, where: string): ModelDescription {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw invalid(where, 'not JSON', cause)
  }
  if (!isObject(value) || value['format'] !== 'layermill-model') throw invalid(where, 'not a model of this project')
  if (value['version'] !== 1) throw invalid(where, `version ${String(value['version'])}, expected 1 (a newer version wrote it)`)
  const { network, classes, preparation, weights, lineage = {}, metrics = {} } = value
  if (!isObject(network) || !('base' in network)) throw invalid(where, 'network: expected a base and a head')
  if (!Array.isArray(classes) || !classes.every(name => typeof name === 'string')) throw invalid(where, 'classes: expected names')
  if (
    !isObject(preparation) ||
    !isSize(preparation['height']) ||
    !isSize(preparation['width']) ||
    !resampleNames.includes(preparation['resample'])
  ) {
    throw invalid(where, 'preparation: expected height, width and resample')
  }
  const { input, resample } = preparation
  if (input !== undefined && (!isObject(input) || preparationFrom({ ...input, resample }) === undefined)) {
    throw invalid(where, 'preparation.input: expected channels, divisor, mean, std and resize')
  }
  if (!isObject(weights) || typeof weights['file'] !== 'string' || typeof weights['sha256'] !== 'string') {
    throw invalid(where, 'weights: expected file and sha256')
  }
  return { ...value, lineage, metrics } as unknown as ModelDescription
}

function networkOf(description: ModelDescription, where: string): FineTunedNetwork {
  const { height, width, resample, input } = description.preparation
  const inputSize: Size2 = [height, width]
  let network: Network
  try {
    network = networkFromDescription(description.network)
  } catch (cause) {
    throw invalid(where, `network: ${errorMessage(cause)}`, cause)
  }
  if (!isFineTuned(network)) throw invalid(where, 'network: it has no head')
  if (network.classes !== description.classes.length)
    throw invalid(where, `${description.classes.length} class names for ${network.classes} classes`)
  return preparedWith({ ...network, inputSize }, { input, resample })
}

/**
 * The network of a model that `writeModelFolder` wrote, by its description alone: no weights are read. Undefined as for `readModelFolder`.
 * @throws LayermillError `MODEL_INVALID`; what `files` throws.
 */
export async function readModelNetwork(files: Pick<ModelFiles, 'get'>, where: string): Promise<FineTunedNetwork | undefined> {
  const bytes = await files.get(modelFile)
  if (bytes === undefined) return undefined
  const description = parseDescription(bytes, where)
  return description.weights.file === modelGraphFile ? undefined : networkOf(description, where)
}

/**
 * Reads a model that `writeModelFolder` wrote; undefined where there is none, or one whose `model.onnx` is all of it.
 * @param where for messages: a path or URL
 * @throws LayermillError `MODEL_INVALID`, `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`, `WEIGHTS_MISMATCH`, `WEIGHTS_HASH`; what `files` throws.
 */
export async function readModelFolder(files: Pick<ModelFiles, 'get'>, where: string): Promise<StoredModel | undefined> {
  const bytes = await files.get(modelFile)
  if (bytes === undefined) return undefined
  const description = parseDescription(bytes, where)
  if (description.weights.file === modelGraphFile) return undefined
  const network = networkOf(description, where)
  const { file, sha256 } = description.weights
  const weights = await files.get(file)
  if (weights === undefined) throw invalid(where, `${file} is not there`)
  const opened = await openSafetensors(fromBytes(weights, `${where}/${file}`))
  const read = new Map<string, Tensor>()
  for (const [name, entry] of opened.entries) read.set(name, { shape: entry.shape, data: await entry.read() })
  const tensors = ownTensors(network, read, `${where}/${file}`)
  const found = await weightsIdentity(tensors, network.variant)
  if (found !== sha256) throw new LayermillError('WEIGHTS_HASH', `${where}/${file} is not the one that ${modelFile} names`)
  const set: WeightSet = { tensors, variant: network.variant, source: where, format: 'safetensors', sha256 }
  const target = modelTarget({ ...network.head, thresholds: description.thresholds }, network.classes)
  return { description, network, weights: set, labels: description.classes, target }
}
