/** Samples of how many images were done when. */
interface Sample {
  readonly time: number
  readonly done: number
}

/** Milliseconds that a rate looks back. */
const span = 20_000
const kept = 120

/** Throughput of each run, from how its count grows. */
export class Rates {
  private readonly samples = new Map<string, Sample[]>()
  private readonly points = new Map<string, number[]>()

  /** Notes how many images are done by now. */
  note(id: string, done: number, time = performance.now()): void {
    const samples = this.samples.get(id) ?? []
    samples.push({ time, done })
    while (samples.length > 2 && time - (samples[1]?.time ?? time) >= span) samples.shift()
    this.samples.set(id, samples)
    const current = this.rate(id)
    if (current !== undefined) this.points.set(id, [...(this.points.get(id) ?? []), current].slice(-kept))
  }

  /** Images a second; undefined until there is something to compare with. */
  rate(id: string): number | undefined {
    const samples = this.samples.get(id) ?? []
    const [first, last] = [samples[0], samples.at(-1)]
    if (first === undefined || last === undefined || last.time <= first.time) return undefined
    return Math.max(0, ((last.done - first.done) * 1000) / (last.time - first.time))
  }

  /** The latest rates, oldest first. */
  history(id: string): readonly number[] {
    return this.points.get(id) ?? []
  }
}
