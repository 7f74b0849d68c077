import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LayermillError } from '@layermill/core'
import type { ModelFacts, TensorFile } from './types.js'

const maxConfigBytes = 4 * 1024 * 1024

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The `config.json` that transformers and timm write beside `model.safetensors`; undefined where there is none, or none that can be read.
 */
export async function configBeside({ path }: Pick<TensorFile, 'path'>): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (path === undefined || basename(path) !== 'model.safetensors') return undefined
  const config = join(dirname(path), 'config.json')
  const { size = maxConfigBytes } = (await stat(config).catch(() => undefined)) ?? {}
  if (size >= maxConfigBytes) return undefined
  try {
    const value: unknown = JSON.parse(await readFile(config, 'utf8'))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** timm's models that have a ResNet's tensors, by name and shape, and pool with another filter before each stride. */
const antiAliased = /^resnet(aa|blur)\d+$/
/** Arguments of timm's ResNets that change what is computed and no tensor. */
const otherArguments = ['output_stride', 'aa_layer', 'act_layer', 'norm_layer', 'block_args', 'drop_block', 'replace_stem_pool']
/** timm's names of pooling by the mean, and of none. */
const meanPools: readonly unknown[] = [undefined, 'avg', 'fast', 'fastavg', '']

/** Why a model with the same tensors computes something else; undefined where it does not. */
function otherGraph(config: Readonly<Record<string, unknown>>): string | undefined {
  const { architecture, model_args: given } = config
  if (config['model_type'] === 'resnet') {
    const activation = config['hidden_act']
    if (config['downsample_in_bottleneck'] === true)
      return 'has its strides in the first convolution of each block (downsample_in_bottleneck)'
    if (config['downsample_in_first_stage'] === true) return 'has a stride in its first stage (downsample_in_first_stage)'
    return typeof activation === 'string' && activation !== 'relu' ? `has ${activation} in place of relu (hidden_act)` : undefined
  }
  if (typeof architecture !== 'string' || !isObject(config['pretrained_cfg'])) return undefined
  if (antiAliased.test(architecture)) return `is a ${architecture}, which pools before each stride`
  const argument = isObject(given)
    ? otherArguments.find(name => given[name] !== undefined && given[name] !== null && !(name === 'output_stride' && given[name] === 32))
    : undefined
  return argument === undefined ? undefined : `was made with another ${argument} (model_args)`
}

/**
 * Facts of the model from the `config.json` beside a file, where its tensors cannot tell.
 * @throws LayermillError `WEIGHTS_MISMATCH` where the model has the network's tensors and computes something else with them.
 */
export async function factsBeside(file: TensorFile): Promise<ModelFacts | undefined> {
  const config = await configBeside(file)
  if (config === undefined) return undefined
  const other = otherGraph(config)
  if (other !== undefined) {
    throw new LayermillError(
      'WEIGHTS_MISMATCH',
      `${file.name} does not fit any network here: by the config.json beside it, the model ${other}`,
      {
        hint: 'its tensors would fit, and the activations would be wrong; where config.json is not of this file, put the file elsewhere',
      },
    )
  }
  const pool = config['global_pool']
  const isTimm = isObject(config['pretrained_cfg'])
  return isTimm && !meanPools.includes(pool)
    ? { otherHead: `it pools by '${String(pool).slice(0, 40)}', not by the mean (config.json)` }
    : undefined
}
