import { stat } from 'node:fs/promises'
import { LayermillError, printableName } from '@layermill/core'
import {
  describePreparation,
  getNetwork,
  type LayerCost,
  layerCosts,
  layerShapes,
  nameOfPreparation,
  namedPreparation,
  type Network,
  networkIds,
  parameterCount,
  preparationNames,
  type Size2,
} from '@layermill/models'
import { identifyWeights } from '@layermill/weights'
import { formatBytes, formatMagnitude, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import type { ModelsOptions } from './models-options.js'
import { sizeOfFlag } from './size.js'

export type { ModelsOptions }

function inputSizeOf(text: string | undefined, network: Network): Size2 {
  if (text === undefined) return network.inputSize
  const size = sizeOfFlag(text)
  if (size === 'keep') throw new LayermillError('SPEC_INVALID', '--size: got "keep", expected WIDTHxHEIGHT in pixels, as 320x256')
  return [size.height, size.width]
}

/** The name of a network's own preparation, which weights of another origin replace. */
const ownPreparation = ({ preparation, architecture }: Network): string =>
  nameOfPreparation(preparation, architecture) ?? describePreparation(preparation)

/** All ways of preparing images that weights of an architecture are trained with. */
function preparations(network: Network): { name: string; description: string; size: string }[] {
  return preparationNames(network.architecture).map(name => {
    const { preparation, inputSize } = namedPreparation(name, network)
    return { name, description: describePreparation(preparation), size: `${inputSize[1]}x${inputSize[0]}` }
  })
}

/** The layers that can be computed at this size, with their costs. */
function possibleCosts(network: Network, layers: readonly string[], size: Size2): LayerCost[] {
  return layers.flatMap(layer => {
    try {
      layerShapes(network, [layer], size)
    } catch (error) {
      if (error instanceof LayermillError && error.code === 'INPUT_SIZE') return []
      throw error
    }
    return layerCosts(network, [layer], size)
  })
}

function listNetworks(output: Output, json: boolean): void {
  const rows = networkIds.map(id => {
    const network = getNetwork(id)
    const [cost] = layerCosts(network, [network.classifier])
    return {
      id,
      family: network.family,
      layers: network.layers.size,
      defaultLayer: network.defaultLayer,
      inputSize: { height: network.inputSize[0], width: network.inputSize[1] },
      parameters: parameterCount(network),
      flops: cost!.flops,
      preparation: ownPreparation(network),
    }
  })
  if (json) return output.json(rows)
  const table = rows.map(row => [
    row.id,
    row.family,
    String(row.layers),
    row.defaultLayer,
    `${row.inputSize.width}x${row.inputSize.height}`,
    formatMagnitude(row.parameters),
    formatMagnitude(row.flops),
    row.preparation,
  ])
  output.line(formatTable(['model', 'family', '>layers', 'default', 'input', '>parameters', '>FLOPs/image', 'prepared as'], table))
  output.line('\n`layermill models NAME` lists the layers of one.')
}

function describeNetwork(
  output: Output,
  network: Network,
  size: Size2,
  json: boolean,
  ofFile: Readonly<Record<string, unknown>> = {},
): void {
  const costs = possibleCosts(network, [...network.layers.keys()], size)
  const missing = [...network.layers.keys()].filter(layer => !costs.some(cost => cost.layer === layer))
  const summary = {
    id: network.id,
    inputSize: { height: size[0], width: size[1] },
    parameters: parameterCount(network),
    classes: network.classes,
    preparation: ownPreparation(network),
  }
  if (json)
    return output.json({
      ...summary,
      ...ofFile,
      availableLayers: network.availableLayers,
      layers: costs,
      notAtThisSize: missing,
      preparations: preparations(network),
    })
  const available = new Set(network.availableLayers)
  const rows = costs.map(cost => [
    available.has(cost.layer) ? cost.layer : `  ${cost.layer}`,
    cost.shape.join('x'),
    formatBytes(cost.bytesPerImage),
    formatMagnitude(cost.flops),
    formatMagnitude(cost.parameters),
  ])
  output.line(
    `${network.id}: ${formatMagnitude(summary.parameters)} parameters, images of ${size[1]}x${size[0]}, default layer ${network.defaultLayer}\n`,
  )
  output.line(formatTable(['layer', 'shape', '>bytes/image', '>FLOPs so far', '>parameters so far'], rows))
  const ways = preparations(network).map(({ name, size: side, description }) => [
    name === summary.preparation ? `${name} *` : name,
    side,
    description,
  ])
  output.line(`\n${formatTable(['--prepare', 'input', 'how images are prepared'], ways)}`)
  output.line('* unless the origin of the weights says otherwise')
  if (missing.length > 0)
    output.line(`\nnot at ${size[1]}x${size[0]}: ${missing.join(', ')} (they need ${network.inputSize[1]}x${network.inputSize[0]})`)
}

const isFolder = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isDirectory() === true
const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true

/** Prints the network and format of a file of weights, and the layers that it has. */
async function describeFile(output: Output, path: string, options: ModelsOptions): Promise<void> {
  const { network: id, variant, format, origin, labels, notes } = await identifyWeights(path)
  const network = getNetwork(id, variant)
  if (options.json !== true) {
    const names = labels === undefined ? '' : ` (${labels.slice(0, 5).map(printableName).join(', ')}${labels.length > 5 ? ', ...' : ''})`
    const end = network.classes === 0 ? 'no classifier' : `${network.classes} ${network.classes === 1 ? 'score' : 'classes'}${names}`
    output.line(`${printableName(path)}: --model ${id}, ${origin}'s names, ${format}, ${end}`)
    for (const note of notes) output.line(`  ${printableName(note)}`)
    output.line('')
  }
  describeNetwork(output, network, inputSizeOf(options.size, network), options.json === true, {
    file: path,
    format,
    origin,
    ...(labels === undefined ? {} : { labels }),
    notes,
  })
}

/**
 * `layermill models [NAME|FILE]`: the networks, or the layers of one, or of a file of weights, with shapes, bytes per image, FLOPs and
 * parameters.
 */
export async function modelsCommand(output: Output, name: string | undefined, options: ModelsOptions): Promise<void> {
  if (name === undefined) return listNetworks(output, options.json === true)
  if (!networkIds.includes(name) && (/\.onnx(\?.*)?$/i.test(name) || (await isFolder(name)))) {
    const { describeOnnx, isOnnx } = await import('./describe-onnx.js')
    if (await isOnnx(name)) return describeOnnx(output, name, inputSizeOf, options)
  }
  if (!networkIds.includes(name) && (/[/\\]|\.(safetensors|npz|caffemodel|h5|keras|pth|pt|bin|ckpt)$/i.test(name) || (await isFile(name))))
    return describeFile(output, name, options)
  const network = getNetwork(name)
  describeNetwork(output, network, inputSizeOf(options.size, network), options.json === true)
}
