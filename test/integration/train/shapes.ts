import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mulberry32 } from '@layermill/core'
import sharp from 'sharp'

export const shapeNames = ['disc', 'square', 'triangle'] as const
export type ShapeName = (typeof shapeNames)[number]

/** Whether a point of the unit plane lies in a shape of radius 1 around the origin. */
function inside(shape: ShapeName, x: number, y: number): boolean {
  if (shape === 'disc') return x * x + y * y < 0.8
  if (shape === 'square') return Math.max(Math.abs(x), Math.abs(y)) < 0.79
  return y > -0.55 && Math.abs(x) * 1.732 < 1.1 - y
}

/** A shape of any place, size, turn and colours on a shaded background with noise, encoded: only its form tells the class. */
export async function shapeImage(shape: ShapeName, seed: number, side = 32): Promise<Buffer> {
  const random = mulberry32(seed * 7919 + shapeNames.indexOf(shape))
  const between = (from: number, to: number): number => from + (to - from) * random()
  const background = [0, 1, 2].map(() => between(20, 110))
  const colour = background.map(level => between(level + 70, 255))
  const [cx, cy, radius, turn] = [between(0.42, 0.58) * side, between(0.42, 0.58) * side, between(0.28, 0.38) * side, between(-0.3, 0.3)]
  const [slopeX, slopeY] = [between(-0.8, 0.8), between(-0.8, 0.8)]
  const pixels = Buffer.alloc(side * side * 3)
  for (let i = 0; i < side * side; i++) {
    const [dx, dy] = [((i % side) - cx) / radius, (Math.floor(i / side) - cy) / radius]
    const isIn = inside(shape, dx * Math.cos(turn) + dy * Math.sin(turn), dy * Math.cos(turn) - dx * Math.sin(turn))
    const shade = dx * slopeX * 12 + dy * slopeY * 12
    for (let channel = 0; channel < 3; channel++) {
      const level = (isIn ? colour : background)[channel]! + shade + between(-20, 20)
      pixels[i * 3 + channel] = Math.min(255, Math.max(0, Math.round(level)))
    }
  }
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer()
}

/** Writes `count` pictures of each class, one folder for each, numbered from `first`. */
export async function writeShapes(
  folder: string,
  count: number,
  options: { first?: number; names?: readonly ShapeName[] } = {},
): Promise<void> {
  const { first = 0, names = shapeNames } = options
  for (const name of names) {
    await mkdir(join(folder, name), { recursive: true })
    for (let i = first; i < first + count; i++)
      await writeFile(join(folder, name, `${String(i).padStart(4, '0')}.png`), await shapeImage(name, i))
  }
}
