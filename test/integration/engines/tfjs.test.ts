import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openStore, featurePath, readFeatureRows } from '@layermill/storage'
import { runCli, smallRun } from '../../helpers/cli.js'
import { succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'

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

it('--engine tfjs without its native package says in one line how to get it', async () => {
  const photos = join(await folder(), 'one')
  await writeImages(photos, 1)
  const { code, stderr } = await runCli([...smallRun(photos, join(await folder(), 'none')), '--engine', 'tfjs'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/DEVICE_UNAVAILABLE/)
  expect(stderr).toMatch(/npm run setup:tfjs/)
})
