import { setImmediate } from 'node:timers/promises'

const sliceMs = 12

/**
 * Keeps long loops from blocking the event loop: ask `due` after every small piece of work and await `rest()` when it is true.
 * Asking costs a clock reading; short work never waits.
 */
export class Pacer {
  private start = performance.now()

  /** @param check called at every rest: throws where the work is to end, as at a deadline */
  constructor(private readonly check: () => void = () => undefined) {}

  /** Whether this loop has held the thread for a slice (12 ms). */
  get due(): boolean {
    return performance.now() - this.start > sliceMs
  }

  /** Lets everything else that is ready run. */
  async rest(): Promise<void> {
    await setImmediate()
    this.check()
    this.start = performance.now()
  }
}
