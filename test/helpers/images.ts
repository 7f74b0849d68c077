import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { mulberry32 } from '@layermill/core'
import sharp from 'sharp'

export interface ImageOptions {
  readonly width?: number
  readonly height?: number
  /** Default png: the same pixels whatever decodes it. */
  readonly format?: 'png' | 'jpeg' | 'webp'
}

/** A picture of blocks in seeded colours, encoded. */
export async function imageBytes(seed: number, options: ImageOptions = {}): Promise<Buffer> {
  const { width = 24, height = 20, format = 'png' } = options
  const random = mulberry32(seed)
  const colours = Array.from({ length: 48 }, () => Math.floor(random() * 256))
  const pixels = Buffer.alloc(width * height * 3)
  for (let i = 0; i < width * height; i++) {
    const block = (Math.floor(((i % width) * 4) / width) + 4 * Math.floor((Math.floor(i / width) * 4) / height)) * 3
    for (let channel = 0; channel < 3; channel++) pixels[i * 3 + channel] = colours[block + channel]!
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer()
}

/** Writes one picture below a folder. */
export async function writeImage(folder: string, key: string, seed: number, options: ImageOptions = {}): Promise<void> {
  const path = join(folder, key)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, await imageBytes(seed, options))
}

/** Writes `count` pictures named `prefix00000.png` and on, in their order; returns their keys. */
export async function writeImages(folder: string, count: number, prefix = 'image'): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(5, '0')}.png`)
  for (const [i, key] of keys.entries()) await writeImage(folder, key, i)
  return keys
}
