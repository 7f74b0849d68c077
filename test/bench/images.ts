import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { uniform } from '@layermill/weights'
import sharp from 'sharp'

/** One picture: soft gradients, some discs and noise, so that it decodes like a photo. */
function pixels(seed: number, width: number, height: number): Uint8Array {
  const data = new Uint8Array(width * height * 3)
  const wave = [0, 1, 2].map(c => 1 + 7 * uniform(`bench:${seed}`, c))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const i = (y * width + x) * 3 + c
        const gradient = 110 + 80 * Math.sin((wave[c]! * (x + seed * 3)) / width + (2 * y) / height)
        data[i] = Math.max(0, Math.min(255, gradient + 30 * uniform(`bench:${seed}`, i)))
      }
    }
  }
  return data
}

/** Pictures that differ; the others are theirs again. Large ones take seconds to make. */
const distinct = (width: number, height: number): number => (width * height > 1e6 ? 4 : 64)

/** Makes `count` JPEGs of a size, once; returns their folder. */
export async function benchImages(folder: string, count: number, width = 500, height = 375): Promise<string> {
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length >= count) return folder
  const made: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const seed = i % distinct(width, height)
    made[seed] ??= await sharp(pixels(seed, width, height), { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 88 })
      .toBuffer()
    await writeFile(join(folder, `${String(i).padStart(5, '0')}.jpg`), made[seed])
  }
  return folder
}
