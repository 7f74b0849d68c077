import { formatSeconds } from '../output/format.js'

/** Milliseconds without a word, and between two lines where the stream is no terminal. */
const quietMs = 2000
const lineMs = 10_000

/** Progress of work in steps: one line redrawn on a terminal, a line now and then elsewhere. */
export class StepProgress {
  private readonly start = performance.now()
  private last = -Infinity
  private drawn = false

  constructor(private readonly stream: NodeJS.WriteStream) {}

  update(step: string, done: number, total: number): void {
    const now = performance.now()
    const every = this.stream.isTTY ? 100 : lineMs
    if (now - this.start < quietMs || now - this.last < every) return
    this.last = now
    const text = `${step}: ${Math.floor((100 * done) / Math.max(1, total))}% after ${formatSeconds((now - this.start) / 1000)}`
    this.stream.write(this.stream.isTTY ? `\r\u001B[K${text}` : `${text}\n`)
    this.drawn = this.stream.isTTY
  }

  /** Takes the line away. */
  finish(): void {
    if (this.drawn) this.stream.write('\r\u001B[K')
    this.drawn = false
  }
}
