import { randomBytes } from 'node:crypto'
import { queueNames } from '@layermill/contracts'
import type { Broker, JobQueue } from '@layermill/queue'
import { LayermillError } from '@layermill/core'

/** Mark on the queue during work for a run that may end or block the orchestrator: opening, listing, loading weights. */
interface Mark {
  readonly run: string
  /** Of this term: another one may have come after it. */
  readonly token: string
  /** How many terms before ended in this stretch without a word. */
  readonly ended: number
  /** Whether one is in this stretch now, as far as it could tell. */
  readonly open: boolean
  /** ISO 8601, UTC. */
  readonly since: string
}

/** So many ends without a word set a run aside. */
const mostEnds = 2

/** Term of one orchestrator at a run (as a leader has one in Raft), in the stretch that may end or block its orchestrator. */
export interface Term {
  /** The stretch is over, or the run ended with a word: nothing is held against it. */
  passed(): Promise<void>
  /** The run is handed back in good order, in the middle of the stretch: what was held against it before stays. */
  left(): Promise<void>
}

/**
 * Tells runs that end or block their orchestrators from those that were only there when it happened. A mark is put on the queue before the
 * dangerous stretch and taken away after it; one that is found there belongs to a term that ended without a word. A run with such an end
 * goes through the stretch alone in its process, so that the next end can only be its own.
 */
export class TermMarks {
  private readonly queue: JobQueue<Mark>
  private alone: Promise<void> = Promise.resolve()

  constructor(
    broker: Broker,
    private readonly now: () => Date = () => new Date(),
  ) {
    this.queue = broker.queue<Mark>(queueNames.state)
  }

  /**
   * Begins the stretch.
   * @throws LayermillError `RUN_SET_ASIDE` where two terms ended in it without a word; the mark is gone then, for somebody may resume it
   */
  async begin(run: string): Promise<Term> {
    const ended = await this.endsOf(run)
    const release = ended > 0 ? await this.waitForTurn() : () => undefined
    const mark: Mark = { run, token: randomBytes(8).toString('hex'), ended, open: true, since: this.now().toISOString() }
    try {
      await this.put(mark)
    } catch (error) {
      release()
      throw error
    }
    let over = false
    const end = async (action: () => Promise<unknown>): Promise<void> => {
      if (over) return
      over = true
      release()
      // A mark that stays by mistake costs a run its company once.
      await this.ifOwn(mark, action).catch(() => undefined)
    }
    return {
      passed: () => end(() => this.queue.remove(this.id(run))),
      left: () => end(() => (ended === 0 ? this.queue.remove(this.id(run)) : this.put({ ...mark, open: false }))),
    }
  }

  private async endsOf(run: string): Promise<number> {
    const found = (await this.queue.getJob(this.id(run)))?.data
    if (found === undefined) return 0
    const ended = found.ended + (found.open ? 1 : 0)
    if (ended < mostEnds) return ended
    await this.queue.remove(this.id(run))
    throw new LayermillError(
      'RUN_SET_ASIDE',
      `the run ended or blocked its orchestrator ${ended} times while it was opened and planned, the last time begun at ${found.since}`,
      {
        hint: 'look at its source, patterns and model, and at the memory of the orchestrator; layermill runs resume takes it up again',
      },
    )
  }

  private async put(mark: Mark): Promise<void> {
    const job = await this.queue.getJob(this.id(mark.run))
    if (job === undefined) await this.queue.add('sitting', mark, { jobId: this.id(mark.run) })
    else await job.updateData(mark)
  }

  private async ifOwn({ run, token }: Mark, action: () => Promise<unknown>): Promise<void> {
    const found = await this.queue.getJob(this.id(run))
    if (found?.data.token === token) await action()
  }

  /** Resolves when no other suspect is in the stretch in this process, to what ends one's own turn. */
  private async waitForTurn(): Promise<() => void> {
    const before = this.alone
    let release = (): void => undefined
    this.alone = new Promise(resolve => {
      release = resolve
    })
    await before
    return release
  }

  private id(run: string): string {
    return `sitting-${run}`
  }
}
