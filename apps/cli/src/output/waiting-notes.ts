import { sameWaiting, type Waiting } from '@layermill/contracts'
import type { Output } from './output.js'

/** Says what a run waits for, once each time that it changes. */
export class WaitingNotes {
  private last: Waiting | undefined

  constructor(
    private readonly output: Output,
    private readonly json: boolean,
  ) {}

  tell(waiting: Waiting | undefined): void {
    if (waiting !== undefined && !sameWaiting(waiting, this.last)) {
      if (this.json) this.output.json({ event: 'waiting', ...waiting })
      this.output.note(`waiting since ${waiting.since}: ${waiting.reason}`)
    }
    this.last = waiting
  }
}
