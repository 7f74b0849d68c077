/** Asks packages and the command what they know of the network `tiny`; prints one JSON line. Run in a tree of packages that has it. */
import { join } from 'node:path'
import { loadModel } from 'layermill'
import { parseSpec } from '@layermill/contracts'
import { canonicalLayer, definitionOf, getNetwork, layerShapes, networkIds, parameterCount, preparationNames } from '@layermill/models'
import { identifyWeights, listWeights, loadWeights, writeWeightsSafetensors } from '@layermill/weights'

const [, , folder, cli] = process.argv
const { runProgram } = await import(join(cli, 'program.js'))

/** Lines that a command writes. */
async function command(...args) {
  const lines = []
  await runProgram(args, { line: text => lines.push(text), json: value => lines.push(value), note: text => lines.push(text) })
  return lines
}

const network = getNetwork('tiny.tv')
const weights = await loadWeights(network, 'random:1')
const file = join(folder, 'tiny.safetensors')
await writeWeightsSafetensors(file, network, weights)
const listed = await listWeights(folder)
const image = { width: 40, height: 40, data: new Uint8Array(40 * 40 * 3).map((_, i) => i % 251) }
const model = await loadModel('tiny', { weights: 'random:1', threads: 1 })
const { last } = await model.extract([image], { layers: ['last'] })
await model.dispose()

const result = {
  ids: networkIds.filter(id => id.startsWith('tiny')),
  definition: definitionOf('tiny')?.name,
  parameters: parameterCount(network),
  shapes: [...layerShapes(network, ['last', 'pool'])],
  foreign: canonicalLayer(network, 'features.3'),
  preparations: preparationNames('tiny'),
  published: listed.filter(entry => entry.network.startsWith('tiny')),
  identified: (await identifyWeights(file)).network,
  sameWeights: (await loadWeights(network, file)).sha256 === weights.sha256,
  spec: parseSpec({ kind: 'extract', source: 'a', out: 'b', model: 'tiny', layers: ['features.3'] }).layers,
  list: (await command('models', '--json')).flat().filter(({ id }) => id.startsWith('tiny')),
  layers: await command('models', 'tiny'),
  models: await command('complete-words', '--', 'extract', '--model', 'ti'),
  unknown: await command('models', 'tinny'),
  extracted: { shape: last.shape, isZero: last.data.every(value => value === 0) },
}
process.stdout.write(`${JSON.stringify(result)}\n`)
