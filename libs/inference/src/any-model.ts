import { classLabels } from './labels.js'
import type { LoadedModel, ModelOutline } from './model-provider.js'
import { LayermillError, schemeOf } from '@layermill/core'
import { definitionOf, type FilePreparation, getNetwork, type Network, networkIds, preparedAs, withPreparation } from '@layermill/models'
import { OnnxModel, onnxNetwork } from '@layermill/onnx'
import { type LoadOptions, readModelFolder, readModelNetwork } from '@layermill/weights'
import type { LoadFleetWeights } from './weights/weights-file.js'
import { findOnnxFile, namesOnnxFile } from './onnx/files.js'
import { loadOnnx, loadOnnxFile, requirePreparation } from './onnx/load.js'
import { openStore } from '@layermill/storage'

async function storedModel(folder: string): Promise<LoadedModel | undefined> {
  await using store = openStore(folder)
  return await readModelFolder(store, folder)
}

/**
 * A network by name with the weights that `load` gets, or a fine-tuned model from its folder or URL, which has its own.
 * @throws LayermillError `MODEL_UNKNOWN` for neither; `MODEL_INVALID`; as `load` and the store do
 */
export async function loadAnyModel(
  model: string,
  source: string,
  load: LoadFleetWeights,
  options: LoadOptions = load.options ?? {},
): Promise<LoadedModel> {
  if (networkIds.includes(model)) {
    const weights = await load(model, source)
    const network = withPreparation(getNetwork(model, weights.variant), weights.preparation)
    return { network, weights, labels: weights.labels ?? classLabels(network.classes) }
  }
  const passedOn = await load.graph?.(source)
  if (passedOn !== undefined) return loadOnnxFile(passedOn)
  const onnx = namesOnnxFile(model) ? await loadOnnx(model, options) : undefined
  if (onnx !== undefined) return onnx
  if (!/[/\\]/.test(model)) getNetwork(model)
  const stored = await storedModel(model)
  if (stored !== undefined) return stored
  const inFolder = await loadOnnx(model, options)
  if (inFolder !== undefined) return inFolder
  throw new LayermillError('MODEL_UNKNOWN', `there is no model at ${model}: it has no model.json, and no model.onnx or onnx/model.onnx`, {
    hint: `expected a folder that layermill finetune wrote, an ONNX file or a folder with one, or one of ${networkIds.join(', ')}`,
  })
}

/**
 * The network of a model that a place names, as far as it takes neither its weights nor a download: an ONNX file on this machine, or the
 * description of a fine-tuned model, wherever it is. Undefined for others.
 * @throws LayermillError `MODEL_INVALID`, `ONNX_INVALID`, `ONNX_UNSUPPORTED`; as the store does
 */
export async function outlineModel(model: string): Promise<Network | undefined> {
  const scheme = schemeOf(model)
  const isHere = scheme === undefined || scheme === 'file'
  if (!isHere && namesOnnxFile(model)) return undefined
  if (!namesOnnxFile(model)) {
    await using store = openStore(model)
    const described = await readModelNetwork(store, model)
    if (described !== undefined || !isHere) return described
  }
  const path = await findOnnxFile(model)
  return path === undefined ? undefined : onnxNetwork(await OnnxModel.open(path), { id: 'onnx' })
}

/** The network of a run, its weights' identity, and the names of its classes where these may change without the weights. */
export interface NamedModel {
  readonly network: Network
  readonly weightsSha256: string
  readonly labels?: readonly string[] | undefined
}

/** Facts of a loaded model for a run. The names beside an ONNX file are not within its hash. @throws as `specNetwork` */
export function namedModel(model: ModelOutline, spec: Parameters<typeof specNetwork>[1], note: (text: string) => void): NamedModel {
  const { format, sha256, labels } = model.weights
  return { network: specNetwork(model, spec, note), weightsSha256: sha256, labels: format === 'onnx' ? labels : undefined }
}

/**
 * The network of a loaded model, prepared as a spec says. Where nothing says which of torchvision's or timm's weights a file has, `note` is
 * told what is taken for granted.
 * @throws LayermillError `PREPARATION_UNKNOWN`
 */
export function specNetwork(
  { network, weights }: ModelOutline,
  { prepare }: { readonly prepare?: string | FilePreparation | undefined },
  note: (text: string) => void,
): Network {
  const { preparation } = weights
  requirePreparation(network, preparation, prepare)
  if (prepare === undefined && preparation?.from === 'names' && preparation.name === 'torchvision') {
    const guessed = definitionOf(network.architecture)?.torchvisionRemark
    if (guessed !== undefined) note(guessed)
  }
  return preparedAs(network, prepare)
}
