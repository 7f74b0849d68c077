import type { WeightsProgress } from '@layermill/weights'
import { formatBytes } from './format.js'

/** Tells how far the fetching of weights is: in place on a terminal, each tenth elsewhere. */
export class WeightsProgressNotes {
  private lastTenth = -1
  private drawn = false

  constructor(private readonly stream: NodeJS.WriteStream) {}

  update(progress: WeightsProgress): void {
    if (progress.kind === 'download') this.download(progress.received, progress.total)
    else
      this.line(
        progress.kind === 'waiting' ? `another process is fetching the weights of ${progress.network}` : `converting ${progress.file}`,
      )
  }

  finish(): void {
    if (this.drawn) this.stream.write('\n')
    this.drawn = false
  }

  [Symbol.dispose](): void {
    this.finish()
  }

  private download(received: number, total: number | undefined): void {
    const text = `fetching weights: ${formatBytes(received)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`
    if (this.stream.isTTY) {
      this.stream.write(`\r\u001b[2K${text}`)
      this.drawn = true
      return
    }
    const tenth = total === undefined ? Math.floor(received / 50e6) : Math.floor((received / total) * 10)
    if (tenth === this.lastTenth) return
    this.lastTenth = tenth
    this.line(text)
  }

  private line(text: string): void {
    this.finish()
    this.stream.write(`${text}\n`)
  }
}
