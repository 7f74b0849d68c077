import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { npyBytes, readNpy } from '../../arrays/npy.js'
import { readNpzArrays } from '../../arrays/npz.js'
import { processOutput } from '../../output/output.js'
import { checkModel } from './check-action.js'

const folder = fileURLToPath(new URL('../../../../../test/conformance/onnx-files/', import.meta.url))

it('gives a file that takes one image at a time its images one by one', async () => {
  // It subtracts the mean of the whole batch, so images that are computed together have other numbers.
  const one = await readNpy(join(folder, 'values/hand-batch-statistics.x.npy'))
  const numbers = one.data as Float32Array
  const images = [numbers, numbers.map(value => 3 * value + 1), numbers]
  const three = new Float32Array(3 * numbers.length)
  images.forEach((image, i) => three.set(image, i * numbers.length))
  const work = await mkdtemp(join(tmpdir(), 'layermill-check-'))
  try {
    const [input, out] = [join(work, 'x.npy'), join(work, 'y.npz')]
    await writeFile(input, npyBytes(input, { type: 'float32', dims: [3, ...one.dims.slice(1)], data: three }))
    const file = join(folder, 'models/hand-batch-statistics-fixed-at-one.onnx')
    const output = processOutput(new PassThrough(), new PassThrough())
    await checkModel(output, file, { input: [input], layers: 'mean,y', out, tolerance: '1e-5' })
    const found = await readNpzArrays(out)
    const { values } = JSON.parse(await readFile(join(folder, 'values/hand-batch-statistics.json'), 'utf8')) as {
      values: Record<string, { shape: number[]; largest: number; samples: [number, number][] }>
    }
    for (const name of ['mean', 'y']) {
      const { shape, largest, samples } = values[name]!
      const { dims, data } = found.get(name)!
      expect(dims).toEqual([3, ...shape.slice(1)])
      const row = (data as Float32Array).length / 3
      for (const image of [0, 2])
        for (const [at, value] of samples)
          expect(Math.abs((data as Float32Array)[image * row + at]! - value)).toBeLessThanOrEqual(1e-5 * largest)
    }
  } finally {
    await rm(work, { recursive: true })
  }
})
