/** Items at which they are sorted for a bound, as a share of those that are kept. */
const boundShare = 1.125

/**
 * Keeps the best of any number of items, in memory for twice as many as are asked for.
 *
 * @example
 * const best = new Best<number>(2, (a, b) => a - b)
 * for (const x of [3, 1, 2]) best.add(x)
 * best.list()   // [1, 2]
 */
export class Best<Item> {
  private items: Item[] = []
  /** The last of the best once there are enough: what is not before it cannot be among them. */
  private worst: Item | undefined

  /**
   * @param count how many to keep
   * @param compare below zero where the first is better; an order of all items, so that the result does not depend on theirs
   */
  constructor(
    private readonly count: number,
    private readonly compare: (a: Item, b: Item) => number,
  ) {}

  add(item: Item): void {
    if (this.worst !== undefined && this.compare(item, this.worst) >= 0) return
    this.items.push(item)
    if (this.items.length >= 2 * this.count) this.cut()
  }

  /**
   * An item behind which nothing will be among the best, once there are as many as are kept: the last of these, or one that was it a
   * little before. Items are sorted for it only where an eighth more than are kept came since: of many, each time would take longer than
   * all else.
   */
  get bound(): Item | undefined {
    const { items, count } = this
    if (items.length >= (this.worst === undefined ? count : count * boundShare)) this.cut()
    return this.worst
  }

  /** The best so far, the best first. */
  list(): Item[] {
    this.cut()
    return [...this.items]
  }

  private cut(): void {
    this.items = this.items.sort(this.compare).slice(0, this.count)
    if (this.items.length === this.count) this.worst = this.items.at(-1)
  }
}
