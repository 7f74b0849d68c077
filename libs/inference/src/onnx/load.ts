import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import {
  type FilePreparation,
  modelTarget,
  type Network,
  type Preparation,
  preparationFromMetadata,
  type WeightsPreparation,
} from '@layermill/models'
import { isOnnxNetwork, type OnnxModel, OnnxModel as Model, onnxNetwork, ownNormalisation, takesPixels } from '@layermill/onnx'
import { classNamesFrom, folderPreparation, type LoadOptions } from '@layermill/weights'
import { classLabels } from '../labels.js'
import type { LoadedModel } from '../model-provider.js'
import { findOnnxFile, foldersOf, jsonOf, readBeside } from './files.js'

type Json = Readonly<Record<string, unknown>>

function parsedJson(text: string | undefined): Json | undefined {
  const value = text === undefined ? undefined : jsonOf(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

/** Texts of a Python dictionary or list, as Ultralytics writes its names: `{0: 'cat', 1: "dog's"}`. */
function pythonNames(text: string): string[] | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined
  const names: string[] = []
  let next = 0
  for (const match of text.matchAll(/(?:(\d+)\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g)) {
    names[match[1] === undefined ? next : Number(match[1])] = (match[2] ?? match[3] ?? '').replaceAll(/\\(.)/g, '$1')
    next++
  }
  return classNamesFrom(names)
}

/** Names of the classes, from the file's own metadata, `config.json` or a list beside it; undefined where none is of `count` names. */
async function labelsOf(model: OnnxModel, count: number): Promise<string[] | undefined> {
  const fits = (names: string[] | undefined): string[] | undefined => (names?.length === count ? names : undefined)
  for (const key of ['layermill.classes', 'names', 'labels', 'classes', 'class_names', 'id2label']) {
    const text = model.model.metadata.get(key)
    if (text === undefined) continue
    const found = fits(classNamesFrom(parsedJson(text) ?? jsonOf(text))) ?? fits(pythonNames(text))
    if (found !== undefined) return found
  }
  const config = parsedJson(await readBeside(model.path, 'config.json'))
  const named = fits(classNamesFrom(config?.['id2label'])) ?? fits(classNamesFrom(config?.['label_names']))
  if (named !== undefined && !named.every((name, i) => name === `LABEL_${i}`)) return named
  for (const name of ['labels.txt', 'classes.txt', 'labels.json']) {
    const text = await readBeside(model.path, name)
    const lines = text?.trimEnd().split(/\r?\n/)
    const found = name.endsWith('.json') ? fits(classNamesFrom(parsedJson(text) ?? jsonOf(text ?? ''))) : fits(lines)
    if (found !== undefined) return found
  }
  return undefined
}

/** Pixels as they are, to the size: what a graph takes that normalises itself. */
const asPixels = (divisor: 1 | 255): Preparation => ({
  channels: 'rgb',
  divisor,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  resize: { kind: 'exact' },
  resample: 'bilinear',
})

/** The preparation with the numbers that a graph's own normalisation leaves to do: none but the scale. */
function withoutNumbers(preparation: Preparation, divisor: 1 | 255): Preparation {
  const { again: _again, ...rest } = preparation
  return { ...rest, divisor, mean: [0, 0, 0], std: [1, 1, 1] }
}

/**
 * Preparation by the files beside the graph, then by the graph's own texts. A way that is not known here is told about: `--prepare` may
 * replace it.
 */
async function saidPreparation(model: OnnxModel, note: (text: string) => void): Promise<FilePreparation | undefined> {
  try {
    for (const folder of foldersOf(model.path)) {
      const found = await folderPreparation(folder)
      if (found !== undefined) return found
    }
    return preparationFromMetadata(model.model.metadata, model.path)
  } catch (error) {
    if (errorCode(error) !== 'PREPARATION_INVALID') throw error
    note(`${errorMessage(error)}; --prepare may say how images are prepared`)
    return undefined
  }
}

/** How images are prepared, by the files beside the graph, its texts, and what it does itself; undefined where nothing says. */
export async function onnxPreparation(
  model: OnnxModel,
  note: (text: string) => void = () => undefined,
): Promise<(Omit<WeightsPreparation, 'inputSize'> & { inputSize?: readonly [number, number] | undefined }) | undefined> {
  const inside = takesPixels(model) ? '0..255' : ownNormalisation(model.graph, model.image.name)
  const divisor = inside === '0..255' ? 1 : 255
  const found = await saidPreparation(model, note)
  if (found !== undefined) {
    const preparation = inside === undefined ? found.preparation : withoutNumbers(found.preparation, divisor)
    return { name: found.name, preparation, inputSize: found.inputSize, from: 'file' }
  }
  if (inside === undefined) return undefined
  return { name: inside === '0..255' ? 'pixels' : 'pixels / 255', preparation: asPixels(divisor), from: 'file' }
}

/** Loads an ONNX file that is on this machine, with what lies beside it. */
export async function loadOnnxFile(path: string): Promise<LoadedModel> {
  const model = await Model.open(path)
  const sha256 = await model.sha256()
  const notes: string[] = []
  const found = await onnxPreparation(model, text => notes.push(text))
  const network = onnxNetwork(model, { id: `onnx-${sha256.slice(0, 12)}`, preparation: found?.preparation, inputSize: found?.inputSize })
  const preparation = found === undefined ? undefined : { ...found, inputSize: network.inputSize }
  const labels = network.classes === 0 ? undefined : await labelsOf(model, network.classes)
  return {
    network,
    weights: {
      tensors: new Map(),
      variant: {},
      source: path,
      format: 'onnx',
      sha256,
      ...(preparation === undefined ? {} : { preparation }),
      ...(labels === undefined ? {} : { labels }),
      ...(notes.length === 0 ? {} : { notes }),
    },
    labels: labels ?? classLabels(network.classes),
    target: modelTarget(
      {
        target: model.model.metadata.get('layermill.target'),
        thresholds: jsonOf(model.model.metadata.get('layermill.thresholds') ?? ''),
        slices: jsonOf(model.model.metadata.get('layermill.heads') ?? ''),
      },
      network.classes,
    ),
  }
}

/**
 * The model that an ONNX file, a folder with one, or a URL of one names; undefined where there is no ONNX file. @throws LayermillError as
 * the reader does
 */
export async function loadOnnx(model: string, options: LoadOptions = {}): Promise<LoadedModel | undefined> {
  const path = await findOnnxFile(model, options)
  return path === undefined ? undefined : loadOnnxFile(path)
}

/**
 * Refuses to guess: a network from an ONNX file whose preparation nothing says.
 * @throws LayermillError `PREPARATION_UNKNOWN`
 */
export function requirePreparation(network: Network, known: unknown, asked: unknown): void {
  if (!isOnnxNetwork(network) || known !== undefined || asked !== undefined) return
  throw new LayermillError('PREPARATION_UNKNOWN', `nothing says how images are prepared for ${network.graph.model.path}`, {
    hint: "put preprocessor_config.json or timm's config.json beside it, or give --prepare, as torchvision:ResNet50_Weights.IMAGENET1K_V2",
  })
}
