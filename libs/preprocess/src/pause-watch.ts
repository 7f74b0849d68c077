/** Milliseconds between looks at the clock. */
const beatMs = 1000

/** Notices for how long this process could not run: it was stopped by Ctrl-Z, a batch system or a frozen container, or its loop was busy. */
export class PauseWatch implements Disposable {
  private last = performance.now()
  private longest = 0
  private readonly timer = setInterval(() => this.look(), beatMs).unref()

  /** Milliseconds of the longest pause since the watch began, up to now. */
  get longestMs(): number {
    this.look()
    return this.longest
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const now = performance.now()
    this.longest = Math.max(this.longest, now - this.last - beatMs)
    this.last = now
  }
}
