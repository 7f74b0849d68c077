import { readFile, writeFile } from 'node:fs/promises'
import { errorCode, LayermillError } from '@layermill/core'
import { loadAnyModel, specNetwork } from '@layermill/inference'
import { givesOwnSizes, type Size2 } from '@layermill/models'
import { prepareImage } from '@layermill/preprocess'
import { isPreparationPlace, loadWeights, readPreparation } from '@layermill/weights'
import { npyBytes } from '../../arrays/npy.js'
import type { Output } from '../../output/output.js'
import { sizeOfFlag } from './size.js'

export interface PrepareOptions {
  out: string
  prepare?: string
  size?: string
  json?: boolean
}

/** `layermill models prepare MODEL IMAGE --out x.npy`: the tensor [1, 3, H, W] that the network would see. */
export async function prepareForModel(output: Output, model: string, image: string, options: PrepareOptions): Promise<void> {
  const { out, prepare } = options
  const bytes = await readFile(image).catch((cause: unknown) => {
    throw new LayermillError('IMAGE_MISSING', `${image} cannot be read (${errorCode(cause)})`, { cause })
  })
  const loaded = await loadAnyModel(model, 'random', loadWeights)
  const asked = prepare !== undefined && isPreparationPlace(prepare) ? await readPreparation(prepare) : prepare
  const network = specNetwork(loaded, { prepare: asked }, text => output.note(text))
  const given = options.size === undefined ? undefined : sizeOfFlag(options.size)
  const usual: Size2 | 'keep' = givesOwnSizes(network.preparation) ? 'keep' : network.inputSize
  const size: Size2 | 'keep' = given === undefined ? usual : given === 'keep' ? given : [given.height, given.width]
  const prepared = await prepareImage(bytes, network.preparation, { size })
  const dims = [1, 3, prepared.inputHeight, prepared.inputWidth]
  await writeFile(out, npyBytes(out, { type: 'float32', dims, data: prepared.tensor }))
  if (options.json === true) return output.json({ out, shape: dims, preparation: network.preparation })
  output.line(`${out}: float32 ${dims.join(' x ')}, as ${network.id} would see ${image}`)
}
