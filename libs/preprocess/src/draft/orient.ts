import type { RgbImage } from '../image.js'

/**
 * A picture turned and mirrored as an EXIF orientation says: 1 as stored, 2 mirrored, 3 turned by 180 degrees, 4 flipped, 5 transposed,
 * 6 turned to the right, 7 transposed across the other diagonal, 8 turned to the left. Other numbers leave it as it is.
 */
export function orient(image: RgbImage, orientation: number): RgbImage {
  if (!(orientation > 1 && orientation <= 8)) return image
  const { width, height, data } = image
  const swapped = orientation >= 5
  const [toWidth, toHeight] = swapped ? [height, width] : [width, height]
  const mirrored = [2, 3, 7, 8].includes(orientation)
  const flipped = [3, 4, 6, 7].includes(orientation)
  const turned = new Uint8Array(data.length)
  let to = 0
  for (let y = 0; y < toHeight; y++) {
    for (let x = 0; x < toWidth; x++) {
      const [row, column] = swapped ? [x, y] : [y, x]
      const from = ((flipped ? height - 1 - row : row) * width + (mirrored ? width - 1 - column : column)) * 3
      turned[to++] = data[from]!
      turned[to++] = data[from + 1]!
      turned[to++] = data[from + 2]!
    }
  }
  return { width: toWidth, height: toHeight, data: turned }
}
