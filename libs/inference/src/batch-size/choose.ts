/** Images at once that are tried, smallest first. */
const sizes = [1, 2, 4, 8, 16, 32] as const
/** Tried even where the one before was no faster: a single pair may be a matter of chance. */
const triedAnyway = 4
/** A larger batch must take less time for each image by this share. */
const leastGain = 0.05

export interface ChoiceInput {
  /** Seconds that a batch of this size takes; undefined where it cannot be computed, as it needs more memory than there is. */
  measure(size: number): Promise<number | undefined>
  /** Of memory, that one image of a batch takes while it is computed, and that a batch may take. */
  readonly bytesPerImage: number
  readonly budgetBytes: number
  /** Seconds that the search may take: no size is tried that would go beyond them by the time the last one took. */
  readonly limit: number
  /** Seconds, from any moment on. */
  clock(): number
}

/**
 * The smallest number of images at once whose time for each image is within 5% of the best of those tried: 1, 2, 4, ... 32, until a larger
 * one is no faster, does not fit the budget, or the time is up. 1 where not even that can be measured.
 */
export async function chooseBatchSize(input: ChoiceInput): Promise<number> {
  const { bytesPerImage, budgetBytes, limit } = input
  const started = input.clock()
  const tried: { size: number; perImage: number }[] = []
  let best = Infinity
  let last = 0
  for (const size of sizes) {
    const fits = size === 1 || size * bytesPerImage <= budgetBytes
    // Twice as many images take twice as long, more or less.
    if (!fits || input.clock() - started + 2 * last > limit) break
    const begun = input.clock()
    const seconds = await input.measure(size)
    last = input.clock() - begun
    if (seconds === undefined) break
    const perImage = seconds / size
    const before = best
    best = Math.min(best, perImage)
    tried.push({ size, perImage })
    if (size >= triedAnyway && perImage > before * (1 - leastGain)) break
  }
  return tried.find(({ perImage }) => perImage * (1 - leastGain) <= best)?.size ?? 1
}
