import { expect, it } from 'vitest'
import { samplePasses, scratchBytes } from './passes.js'

const rowBytes = new Map([
  ['conv1_1', 600],
  ['conv1_2', 600],
  ['pool1', 150],
  ['fc7', 16],
])

it('groups layers whose rows of a sample fit into the room together, in their order', () => {
  const layers = [...rowBytes.keys()]
  expect(samplePasses(layers, rowBytes, 10, 1e9)).toEqual([layers])
  expect(samplePasses(layers, rowBytes, 10, 8000)).toEqual([['conv1_1'], ['conv1_2', 'pool1', 'fc7']])
  expect(samplePasses(layers, rowBytes, 10, 6000)).toEqual([['conv1_1'], ['conv1_2'], ['pool1', 'fc7']])
  expect(samplePasses([], rowBytes, 10, 6000)).toEqual([])
  expect(samplePasses(['of unknown size'], rowBytes, 10, 0)).toEqual([['of unknown size']])
})

it('refuses a layer that does not fit alone, by name and size', () => {
  expect(() => samplePasses(['pool1', 'conv1_2'], rowBytes, 1e7, 2e9)).toThrow(
    expect.objectContaining({ code: 'SPEC_INVALID', message: expect.stringContaining('10000000 rows of conv1_2 take 6.0 GB') as string }),
  )
})

it('takes the room that the environment names, and half of what is free otherwise', async () => {
  expect(await scratchBytes({ LAYERMILL_SCRATCH_BYTES: '5000000000' })).toBe(5e9)
  expect(await scratchBytes({})).toBeGreaterThan(0)
  await expect(scratchBytes({ LAYERMILL_SCRATCH_BYTES: '5GB' })).rejects.toMatchObject({ code: 'SPEC_INVALID' })
})
