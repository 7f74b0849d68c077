import { basename, dirname } from 'node:path'
import { errorMessage, LayermillError } from '@layermill/core'
import { namedPreparation, type Network, preparationFrom, type Size2, timmConfig, type WeightsPreparation } from '@layermill/models'
import { configBeside } from './beside.js'
import { metadataKeys } from './metadata.js'
import { folderPreparation } from './preparation-file.js'
import type { TensorFile, WeightOrigin } from './types.js'

type Target = Pick<Network, 'architecture' | 'family'> & Partial<Pick<Network, 'inputSize'>>

const usualSize: Size2 = [224, 224]

function sizeFrom(value: unknown): Size2 | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined
  const [height, width] = value as unknown[]
  return Number.isInteger(height) && Number.isInteger(width) && Number(height) > 0 && Number(width) > 0
    ? [Number(height), Number(width)]
    : undefined
}

/** Preparation that a file written here has in its metadata; `NAME` alone is one of the known preparations. */
function fromMetadata(file: TensorFile, network: Target): WeightsPreparation | undefined {
  const text = file.metadata.get(metadataKeys.preparation)
  if (text === undefined) return undefined
  if (!text.startsWith('{')) return namedPreparation(text, network, 'file')
  const malformed = new LayermillError('WEIGHTS_FORMAT', `${file.name} names a preparation that is not one: ${text.slice(0, 200)}`)
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch {
    throw malformed
  }
  const preparation = preparationFrom(value['preparation'])
  const inputSize = sizeFrom(value['inputSize'])
  const { name } = value
  if (preparation === undefined || inputSize === undefined || typeof name !== 'string') throw malformed
  return { name, preparation, inputSize, from: 'file' }
}

/**
 * Reads transformers' or timm's file beside the weights, as `save_pretrained` and the hub have it. A file whose way is not known here is
 * told about and left out: `--prepare` may be meant to replace it.
 */
async function fromFolder(file: TensorFile, network: Target, note: (text: string) => void): Promise<WeightsPreparation | undefined> {
  if (file.path === undefined || basename(file.path) !== 'model.safetensors') return undefined
  const config = await configBeside(file)
  const usual = timmConfig(config, network.architecture)
  const among = ['processor_config.json', 'preprocessor_config.json'] as const
  try {
    const found = await folderPreparation(dirname(file.path), {
      // timm's file of another network is of other weights.
      among: usual === undefined && config?.['architecture'] === network.architecture ? [...among, 'config.json'] : among,
    })
    if (found === undefined) return usual && { ...usual, from: 'config.json' }
    const { name, preparation, inputSize } = found
    const from = found.file === 'config.json' ? found.file : 'preprocessor_config.json'
    return { name, preparation, inputSize: inputSize ?? network.inputSize ?? usualSize, from }
  } catch (error) {
    note(`${errorMessage(error)}; it is not used, and --prepare may say how images are prepared`)
    return undefined
  }
}

/** The preparation of each origin's weights; random ones have that of their family. */
const ofOrigin: Readonly<Record<WeightOrigin, string | undefined>> = {
  caffe: 'chainer',
  chainer: 'chainer',
  keras: 'keras',
  torchvision: 'torchvision',
  timm: 'torchvision',
  transformers: 'transformers',
  random: undefined,
}

/**
 * How the images for a file's weights are prepared: as the file says, where it was written here; as transformers'
 * `preprocessor_config.json` or timm's `config.json` beside it says;
 * else as the library does whose names its tensors have. torchvision's names are timm's too, and those of all its versions: they stand for
 * torchvision's V1 weights.
 * @throws LayermillError `WEIGHTS_FORMAT`, `PREPARATION_UNKNOWN` where the file names a preparation that is none.
 */
export async function weightsPreparation(
  file: TensorFile,
  origin: WeightOrigin,
  network: Target,
  note: (text: string) => void = () => undefined,
): Promise<WeightsPreparation> {
  const said = fromMetadata(file, network)
  if (said !== undefined) return said
  const beside = network.family === 'torchvision' ? await fromFolder(file, network, note) : undefined
  if (beside !== undefined) return beside
  const ofFamily = network.family === 'caffe' ? 'chainer' : 'torchvision'
  return namedPreparation(ofOrigin[origin] ?? ofFamily, network, file.metadata.has(metadataKeys.network) ? 'file' : 'names')
}
