/** `npm run demo`: the main job on sample images that are made here. Everything it writes is in `demo-output/`. */
import { rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { errorMessage, exitCodes, LayermillError } from '@layermill/core'
import { fetchWeights } from '@layermill/weights'
import { featurePath, indexPath } from '@layermill/contracts'
import { openStore, parseIndex, readFeatureRows } from '@layermill/storage'
import { formatTable } from '../output/format.js'
import { processOutput } from '../output/output.js'
import { runProgram } from '../program.js'
import { contactSheet } from './contact-sheet.js'
import { type Features, nearestImages } from './nearest.js'
import { writeSampleImages } from './sample-images.js'

const networks = [
  { model: 'resnet50', layers: ['res4', 'pool5'] },
  { model: 'googlenet', layers: ['inception_4e', 'pool5'] },
] as const

/** Time to ask for published weights, in milliseconds. Once they come, the download takes as long as it takes. */
const patience = 8000

const output = processOutput(process.stdout, process.stderr)
const folder = resolve('demo-output')
const images = join(folder, 'images')

/** The published weights where they can be had in time, else seeded random ones, and says which. */
async function chooseWeights(): Promise<string> {
  output.line('Asking for the published weights ...')
  const started = new AbortController()
  const timer = setTimeout(
    () => started.abort(new LayermillError('WEIGHTS_UNAVAILABLE', `no answer within ${patience / 1000} seconds`)),
    patience,
  )
  try {
    for (const { model } of networks) await fetchWeights(model, { signal: started.signal, onProgress: () => clearTimeout(timer) })
    return 'imagenet'
  } catch (error) {
    output.line(
      `They cannot be had here (${errorMessage(error).split(':')[0]}).\nGoing on with random weights of a fixed seed: the numbers are real, the names of the classes mean nothing.`,
    )
    return 'random:1'
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a command as if it had been typed, and shows it. */
async function layermill(...args: string[]): Promise<void> {
  output.line(`\n$ layermill ${args.map(arg => (arg.startsWith(folder) ? relative('.', arg) : arg)).join(' ')}`)
  const code = await runProgram(args, output)
  if (code !== exitCodes.done) throw new Error(`layermill ${args[0]} ended with ${code}`)
}

async function readFeatures(out: string, layer: string): Promise<Features[]> {
  const store = openStore(out)
  const index = await parseIndex((await store.get(indexPath(0)))!, out)
  const { shape, data } = await readFeatureRows('npy', (await store.get(featurePath(layer, 0, 'npy')))!, layer)
  const size = data.length / shape[0]!
  return index.map(({ key, row }) => ({ path: join(images, key), values: data.slice(row * size, (row + 1) * size) }))
}

/** Which images are nearest to each other, as a table and as a picture. */
async function showNearest(out: string, layer: string): Promise<void> {
  const rows = await readFeatures(out, layer)
  const nearest = nearestImages(rows, 4)
  const name = (path: string): string => relative(images, path)
  output.line(`\nNearest to each other by ${layer}:`)
  const table = rows.map(({ path }, i) => [
    name(path),
    ...nearest[i]!.slice(0, 3).map(({ path: other, score }) => `${name(other)} ${score.toFixed(2)}`),
  ])
  output.line(formatTable(['image', 'nearest', 'second', 'third'], table))
  const sheet = rows.map(({ path }, i) => ({ image: path, neighbours: nearest[i]! })).filter((_, i) => i % 3 === 0)
  await contactSheet(sheet, join(folder, 'nearest'))
  output.line(`\nAs a picture: ${relative('.', join(folder, 'nearest.html'))} and ${relative('.', join(folder, 'nearest.png'))}`)
}

async function demo(): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  const written = await writeSampleImages(images)
  output.line(`${written.length} sample images in ${relative('.', images)}`)
  const weights = await chooseWeights()
  for (const { model, layers } of networks) {
    await layermill('extract', images, '--model', model, '--weights', weights, '--layers', layers.join(','), '--out', join(folder, model))
  }
  await layermill('predict', join(images, relative(images, written[0]!)), '--model', 'googlenet', '--weights', weights, '--top', '3')
  await showNearest(join(folder, networks[0].model), 'pool5')
  output.line('\nYour own photos: npx layermill extract ./photos --model resnet50 --layers res4,pool5 --out ./features')
}

try {
  await demo()
} catch (error) {
  output.note(`demo: ${errorMessage(error)}`)
  process.exitCode = 1
}
