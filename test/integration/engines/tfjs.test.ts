import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { featurePath } from '@layermill/contracts'
import { openStore, readFeatureRows } from '@layermill/storage'
import { runCli, smallRun } from '../../helpers/cli.js'
import { succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { readRun } from '../../helpers/results.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('engine-tfjs')

async function features(out: string): Promise<Float32Array> {
  const path = featurePath('conv2', 0, 'npy')
  return (await readFeatureRows('npy', (await openStore(out).get(path))!, path)).data
}

it('extract --engine tfjs gives the features of the ONNX engine, to rounding', async () => {
  const photos = join(await folder(), 'photos')
  await writeImages(photos, 3)
  const [onnx, tfjs] = [join(await folder(), 'onnx'), join(await folder(), 'tfjs')]
  succeeded(await runCli(smallRun(photos, onnx)))
  const command = smallRun(photos, tfjs).map(argument => (argument === 'cpu' ? 'cpu-portable' : argument))
  succeeded(await runCli([...command, '--engine', 'tfjs']))
  const [expected, actual] = [await features(onnx), await features(tfjs)]
  expect(actual.length).toBe(expected.length)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest).toBeGreaterThan(0)
  expect(expected.every((value, i) => Math.abs(value - actual[i]!) <= 1e-5 * largest)).toBe(true)
})

it('finetune --engine tfjs learns what the ONNX engine learns, to rounding, and runs are of the same identity', async () => {
  const shapes = join(await folder(), 'shapes')
  await writeShapes(shapes, 2)
  const train = async (name: string, ...engine: string[]): Promise<{ losses: number[]; identity: unknown }> => {
    const out = join(await folder(), name)
    const network = ['--model', 'googlenet', '--weights', 'random:1', '--layer', 'conv1', '--size', '24x24', '--base', 'full']
    succeeded(
      await runCli(['finetune', shapes, ...network, '--epochs', '2', '--batch-size', '4', '--validation', '0.34', '--out', out, ...engine]),
    )
    const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n')
    const losses = lines.map(line => (JSON.parse(line) as { training: { loss: number } }).training.loss)
    return { losses, identity: (await readRun(out))['identity'] }
  }
  const [onnx, tfjs] = [await train('by-onnx', '--device', 'cpu'), await train('by-tfjs', '--engine', 'tfjs', '--device', 'cpu-portable')]
  expect(onnx.losses.length).toBeGreaterThan(1)
  expect(tfjs.losses.length).toBe(onnx.losses.length)
  for (const [i, loss] of onnx.losses.entries()) expect(Math.abs(tfjs.losses[i]! - loss) / loss).toBeLessThan(1e-3)
  expect(tfjs.identity).toEqual(onnx.identity)
})

it('--engine tfjs without its native package says in one line how to get it', async () => {
  const photos = join(await folder(), 'one')
  await writeImages(photos, 1)
  const { code, stderr } = await runCli([...smallRun(photos, join(await folder(), 'none')), '--engine', 'tfjs'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/DEVICE_UNAVAILABLE/)
  expect(stderr).toMatch(/npm install -g layermill @tensorflow\/tfjs-node.* npm run setup:tfjs/)
})
