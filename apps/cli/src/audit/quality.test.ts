import { expect, it } from 'vitest'
import { matrix, sourceOf } from '@layermill/analysis'
import { pictureQuality, type RgbImage } from '@layermill/preprocess'
import type { AuditedImages } from './findings.js'
import { qualityFindings, sizeShortcuts } from './quality.js'

/** Grey squares of four pixels of many levels. */
const squares: RgbImage = grey(64, 64, (x, y) => ((((x >> 2) * 37 + (y >> 2) * 101) % 97) / 97) * 255)

function grey(width: number, height: number, level: (x: number, y: number) => number): RgbImage {
  const data = new Uint8Array(3 * width * height)
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at += 3) data.fill(Math.round(level(x, y)), at, at + 3)
  return { width, height, data }
}

const at = ({ data, width, height }: RgbImage, x: number, y: number): number =>
  data[3 * (Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x)))]!

/** Means over squares of nine pixels. */
const softened = (image: RgbImage): RgbImage =>
  grey(image.width, image.height, (x, y) => {
    let sum = 0
    for (let dy = -4; dy <= 4; dy++) for (let dx = -4; dx <= 4; dx++) sum += at(image, x + dx, y + dy)
    return sum / 81
  })

function imagesOf(sizes: readonly (readonly [number, number])[], labels: readonly (string | undefined)[] = []): AuditedImages {
  return {
    source: sourceOf(matrix(sizes.length, 1)),
    keys: sizes.map((_, i) => `${i}.png`),
    labels: sizes.map((_, i) => labels[i]),
    sha256: sizes.map(() => ''),
    sizes: sizes.map(([width, height]) => ({ width, height })),
  }
}

it('names pictures that are dark, blurred or tiny, and no others', () => {
  const pictures = [
    squares,
    grey(64, 64, (x, y) => at(squares, y, x)),
    grey(64, 64, (x, y) => at(squares, x, y) / 5),
    softened(squares),
    grey(64, 64, () => 200),
    grey(8, 60, (x, y) => at(squares, x, y)),
  ]
  const images = imagesOf(pictures.map(({ width, height }) => [width, height]))
  const qualities = [...pictures.map(pictureQuality).slice(0, 5), undefined]
  const found = qualityFindings(images, qualities)
  expect(found.map(({ key, finding }) => `${key} ${finding}`).sort()).toEqual(['2.png dark', '3.png blurred', '5.png tiny'])
  const rest = qualityFindings(images, qualities, (key, finding) => key === '3.png' && finding === 'blurred')
  expect(rest.map(({ key }) => key).sort()).toEqual(['2.png', '5.png'])
})

it('does not call small pictures tiny among others like them', () => {
  expect(
    qualityFindings(
      imagesOf([
        [28, 28],
        [28, 28],
        [28, 28],
        [400, 300],
      ]),
      [],
    ),
  ).toEqual([])
})

it('names a size that only images of one class have', () => {
  const sizes = [
    ...Array.from({ length: 20 }, () => [640, 480] as const),
    ...Array.from({ length: 10 }, () => [600, 600] as const),
    ...Array.from({ length: 10 }, () => [640, 480] as const),
  ]
  const labels = ['a', 'b', 'c', 'd'].flatMap(label => Array.from({ length: 10 }, () => label))
  expect(sizeShortcuts(imagesOf(sizes, labels))).toEqual([{ class: 'c', size: '600x600', images: 10, share: 1 }])
  // One image of another class among eleven of that size is no matter; three are.
  expect(sizeShortcuts(imagesOf(sizes.with(0, [600, 600]), labels))).toHaveLength(1)
  expect(sizeShortcuts(imagesOf(sizes.with(0, [600, 600]).with(1, [600, 600]).with(2, [600, 600]), labels))).toEqual([])
  expect(
    sizeShortcuts(
      imagesOf(
        sizes.map(() => [640, 480]),
        labels,
      ),
    ),
  ).toEqual([])
})
