import { readFile } from 'node:fs/promises'
import { decodeImage, loadResized, type Resample, type RgbImage } from '@layermill/preprocess'
import { describe, expect, it } from 'vitest'

/** Held against what Pillow 9.4 makes of the same files: `prepare.json` its resized pictures, `formats.json` whole decoded ones. */
interface Summary {
  shape: [number, number, number]
  mean: number
  std: number
  absMax: number
  samples: [index: number, value: number][]
}

type ImageEntry = { mode: string; width: number; height: number } & Record<Resample, Summary>

interface Pixels {
  width: number
  height: number
  rgb: string
}

const read = async (path: string): Promise<Buffer> => await readFile(new URL(path, import.meta.url))
const readJson = async <T>(path: string): Promise<T> => JSON.parse(String(await read(path))) as T

const golden = await readJson<{ size: [number, number]; images: Record<string, ImageEntry> }>('prepare.json')
const formats = await readJson<{ files: Record<string, Pixels & { mode: string; oriented?: Pixels }> }>('formats.json')
const filters: readonly Resample[] = ['bicubic', 'bilinear', 'nearest', 'lanczos']

function statistics(data: Uint8Array): { mean: number; std: number; absMax: number } {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length
  return { mean, std: Math.sqrt(variance), absMax: data.reduce((most, value) => Math.max(most, value), 0) }
}

function expectPixels(actual: RgbImage, expected: Pixels): void {
  expect([actual.width, actual.height]).toEqual([expected.width, expected.height])
  const rgb = Buffer.from(expected.rgb, 'base64')
  expect(actual.data.length).toBe(rgb.length)
  const differences = rgb.reduce((count, value, i) => count + (value === actual.data[i] ? 0 : 1), 0)
  expect(differences).toBe(0)
}

describe('pictures resized to 224x224', () => {
  const cases = Object.keys(golden.images).flatMap(name => filters.map(filter => [name, filter] as const))

  it('are 18 pictures with 4 filters', () => {
    expect(cases).toHaveLength(72)
  })

  // The promise is a mean difference of 0.6 and at most 8 levels. Decoders and resampler are exact, so nothing less is accepted here.
  it.each(cases)('%s, %s: every sample is the same, and so are mean, deviation and maximum', async (name, filter) => {
    const expected = golden.images[name]![filter]
    const image = await loadResized(await read(`images/${name}`), golden.size, { resample: filter })
    expect([image.height, image.width, 3]).toEqual(expected.shape)
    expect(expected.samples.length).toBeGreaterThan(60)
    expect(expected.samples.map(([index]) => [index, image.data[index]])).toEqual(expected.samples)
    const { mean, std, absMax } = statistics(image.data)
    expect(mean).toBeCloseTo(expected.mean, 9)
    expect(std).toBeCloseTo(expected.std, 9)
    expect(absMax).toBe(expected.absMax)
  })

  it.each(Object.entries(golden.images))('%s has its size', async (name, { width, height }) => {
    expect(await decodeImage(await read(`images/${name}`))).toMatchObject({ width, height })
  })
})

describe('formats', () => {
  it.each(Object.entries(formats.files))('%s is decoded to the same pixels', async (name, expected) => {
    expectPixels(await decodeImage(await read(`formats/${name}`)), expected)
  })

  const oriented = Object.entries(formats.files).filter(([, { oriented: pixels }]) => pixels !== undefined)

  it('hold all eight orientations', () => {
    expect(oriented).toHaveLength(8)
  })

  it.each(oriented)('%s is turned upright when asked', async (name, expected) => {
    expectPixels(await decodeImage(await read(`formats/${name}`), { autoOrient: true }), expected.oriented!)
  })
})
