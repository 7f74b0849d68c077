/** Most images of a slice: so few that a session with one thread is busy with products, not so many that a batch of 8 is one slice. */
const MOST = 4

/** Images `start` to `end` (which is not among them) of a batch. */
export interface Slice {
  readonly start: number
  readonly end: number
}

/**
 * The slices of a batch whose gradients are computed by themselves and added in this order: as few as there can be of at most 4 images, of
 * sizes as equal as can be, larger ones first. By the number of images alone, so that the sums are the same wherever and by however many
 * threads they are computed.
 * @param count images, 1 or more
 */
export function sliceBatch(count: number): Slice[] {
  const slices = Math.ceil(count / MOST)
  const [size, larger] = [Math.floor(count / slices), count % slices]
  return Array.from({ length: slices }, (_, i) => {
    const start = i * size + Math.min(i, larger)
    return { start, end: start + size + (i < larger ? 1 : 0) }
  })
}
