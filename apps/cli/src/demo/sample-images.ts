import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import { mulberry32 } from '@layermill/core'
import { type Canvas, checkerboards, discs, landscapes, type Scene, stripes } from './scenes.js'

const groups: ReadonlyMap<string, Scene> = new Map([
  ['checkerboard', checkerboards],
  ['disc', discs],
  ['landscape', landscapes],
  ['stripe', stripes],
])

const perGroup = 6

/** Sides are between these, in pixels. */
const sides = { shortest: 400, longest: 640 }

async function writeImage(file: string, scene: Scene, seed: number): Promise<void> {
  const random = mulberry32(seed)
  const side = (): number => sides.shortest + Math.floor((sides.longest - sides.shortest + 1) * random())
  const canvas: Canvas = { width: side(), height: side() }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${canvas.width}" height="${canvas.height}">${scene(canvas, random)}</svg>`
  const image = sharp(Buffer.from(svg)).removeAlpha()
  await (file.endsWith('.png') ? image.png() : image.jpeg({ quality: 90 })).toFile(file)
}

/**
 * Draws 24 pictures in four groups that look alike among themselves (`checkerboard-01.jpg` ... `stripe-06.png`), the same ones every
 * time: RGB, 400 to 640 pixels a side, every third a PNG, the others JPEGs. The folder is created; files of these names are replaced.
 *
 * @returns the paths of the files, in order of their names
 */
export async function writeSampleImages(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const images = [...groups].flatMap(([group, scene], g) =>
    Array.from({ length: perGroup }, (_, i) => {
      const extension = i % 3 === 2 ? 'png' : 'jpg'
      return { file: path.join(folder, `${group}-${String(i + 1).padStart(2, '0')}.${extension}`), scene, seed: g * 1000 + i + 1 }
    }),
  )
  await Promise.all(images.map(({ file, scene, seed }) => writeImage(file, scene, seed)))
  return images.map(({ file }) => file)
}
