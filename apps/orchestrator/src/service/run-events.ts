import { hasEnded, type RunEvent, type RunEventOptions, type RunSummary } from '@layermill/contracts'
import { WakeableSleep } from '@layermill/core'
import type { RunEventHub } from './run-event-hub.js'
import type { RunJobProgress } from './run-jobs.js'

/** Events get lost; the queue is asked after this many milliseconds of silence. */
const lookInterval = 5000

export type RunView = RunJobProgress

/** The id of the event that tells of a run's end: the same for everybody, so that one who saw it is not told again. */
const endId = ({ state, finished }: RunSummary): string => `end-${state}-${finished ?? ''}`

/** Which epoch the listener was told of last, by the id of the last event that it has seen. */
const toldEpoch = (after: string | undefined): number => Number(/-e(\d+)$/.exec(after ?? '')?.[1] ?? 0)

/** Whether it is what a run worker reports; it comes from a queue that is shared. */
function isReport(data: unknown): data is RunJobProgress {
  return typeof data === 'object' && data !== null && 'summary' in data && typeof data.summary === 'object'
}

/** Waits for a signal of the hub, the listener's leaving, or a while. */
class Turnstile {
  private readonly pause = new WakeableSleep()
  private open = false

  signal = (): void => {
    this.open = true
    this.pause.wake()
  }

  /** Resolves to false after `milliseconds` without a signal. */
  async wait(milliseconds: number): Promise<boolean> {
    if (!this.open) await this.pause.sleep(milliseconds)
    const woken = this.open
    this.open = false
    return woken
  }
}

/**
 * A run's events: its state as it is now, then what happens, until it has ended. Of progress that comes faster than it is read only the
 * newest is told.
 *
 * @param look asks the queue for the run
 * @throws what `look` throws: LayermillError `RUN_UNKNOWN`
 */
export async function* runEvents(
  id: string,
  { after, signal }: RunEventOptions,
  hub: RunEventHub,
  look: (id: string) => Promise<RunView>,
): AsyncGenerator<RunEvent, void, undefined> {
  const turnstile = new Turnstile()
  let report: RunJobProgress | undefined
  let changed = true
  const leave = await hub.subscribe(id, event => {
    if (event.kind === 'changed') changed = true
    else if (isReport(event.data)) report = event.data
    turnstile.signal()
  })
  signal.addEventListener('abort', turnstile.signal)
  const prefix = Date.now().toString(36)
  let count = 0
  // The last epoch that was told goes with every id: one who comes back is told those that it missed.
  let epoch = toldEpoch(after)
  const nextId = (): string => `${prefix}-${count++}${epoch === 0 ? '' : `-e${epoch}`}`
  let told: string | undefined
  try {
    while (!signal.aborted) {
      const view = changed || report === undefined ? await look(id) : report
      changed = false
      report = undefined
      const { summary, progress, training, epochs = [] } = view
      if (hasEnded(summary.state) && after === endId(summary)) return
      for (const ended of epochs) {
        if (ended.epoch <= epoch) continue
        epoch = ended.epoch
        yield { id: nextId(), event: 'training', data: ended }
      }
      if (hasEnded(summary.state)) {
        yield { id: endId(summary), event: 'state', data: summary }
        return
      }
      const state = `${summary.state} ${summary.waiting?.code ?? ''} ${summary.waiting?.since ?? ''}`
      if (state !== told) yield { id: nextId(), event: 'state', data: summary }
      told = state
      if (progress !== undefined) yield { id: nextId(), event: 'progress', data: progress }
      if (training !== undefined) yield { id: nextId(), event: 'training', data: training }
      if (!(await turnstile.wait(lookInterval))) changed = true
    }
  } finally {
    leave()
    signal.removeEventListener('abort', turnstile.signal)
  }
}
