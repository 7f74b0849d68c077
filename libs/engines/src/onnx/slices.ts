/**
 * Most images of a slice for so many values that learn: enough work beside arranging the weights and adding their gradients for each slice.
 */
const images = 4
const values = 16_000_000

/** Images `start` to `end` (which is not among them) of a batch. */
export interface Slice {
  readonly start: number
  readonly end: number
}

/**
 * The slices of a batch whose gradients are computed by themselves and added in this order: as few as there can be of at most 4 images for
 * every 16 million values that learn, of sizes as equal as can be, larger ones first. By these numbers alone, so that the sums are the same
 * wherever and by however many threads they are computed.
 * @param count images, 1 or more
 * @param learning values of all parameters whose gradients are computed
 */
export function sliceBatch(count: number, learning: number): Slice[] {
  const most = images * Math.max(1, Math.ceil(learning / values))
  const slices = Math.ceil(count / most)
  const [size, larger] = [Math.floor(count / slices), count % slices]
  return Array.from({ length: slices }, (_, i) => {
    const start = i * size + Math.min(i, larger)
    return { start, end: start + size + (i < larger ? 1 : 0) }
  })
}
