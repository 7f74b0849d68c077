import { hasEnded, type RunEvent, type RunSummary, type TrainingState } from '@layermill/contracts'
import { LayermillError, receivedCode } from '@layermill/core'
import { FinetuneProgress } from '../output/finetune-progress.js'
import type { Output } from '../output/output.js'
import { Progress } from '../output/progress.js'
import { WaitingNotes } from '../output/waiting-notes.js'
import { metricsLineOf, trainingProgressOf } from './training-state.js'
import type { RunClient } from './run-client.js'

/**
 * Shows a run's progress until it has ended.
 * @returns the run as it ended, or undefined where the signal came first
 * @throws what the client throws: LayermillError `RUN_UNKNOWN`, `UNAVAILABLE`
 */
export async function followRun(
  client: RunClient,
  id: string,
  options: { output: Output; json: boolean; signal: AbortSignal },
): Promise<RunSummary | undefined> {
  const { output, json, signal } = options
  const shown = new Shown(output, json)
  try {
    for await (const event of client.events(id, { signal })) shown.event(event)
    const { last } = shown
    return last !== undefined && hasEnded(last.state) ? last : undefined
  } finally {
    shown.finish()
  }
}

/** A run's events as a person, or a program, sees them. */
class Shown {
  last: RunSummary | undefined
  private readonly progress = new Progress({ stream: process.stderr })
  private readonly training = new FinetuneProgress({ stream: process.stderr })

  private readonly waiting: WaitingNotes

  constructor(
    private readonly output: Output,
    private readonly json: boolean,
  ) {
    this.waiting = new WaitingNotes(output, json)
  }

  event(event: RunEvent): void {
    if (event.event === 'state') this.state(event.data)
    else if (event.event === 'progress') this.images(event.data)
    else if (event.event === 'training') this.trained(event.data)
  }

  finish(): void {
    this.progress.finish()
    this.training.finish()
  }

  private state(run: RunSummary): void {
    this.waiting.tell(run.waiting)
    this.last = run
  }

  private images({
    counts: { images, done, failed, parts, cached, computed },
    partsDone,
  }: Extract<RunEvent, { event: 'progress' }>['data']): void {
    // Of fine-tuning, its own events tell more.
    if (this.last?.kind === 'finetune') return
    const state = {
      done: done + failed,
      failed,
      total: images,
      planned: this.last?.state === 'running',
      parts,
      partsDone,
      ...(cached === undefined ? {} : { cached }),
      ...(computed === undefined ? {} : { kept: Math.max(0, done + failed - computed) }),
    }
    if (this.json) this.output.json({ event: 'progress', ...state })
    else this.progress.update(state)
  }

  private trained(state: TrainingState): void {
    if (state.phase === 'epoch') {
      const line = metricsLineOf(state)
      if (this.json) this.output.json({ event: 'epoch', ...line })
      else this.training.epoch(line)
      return
    }
    const progress = trainingProgressOf(state)
    if (progress === undefined) return
    if (this.json) this.output.json({ event: 'progress', ...progress })
    else this.training.update(progress)
  }
}

/**
 * A run that ended well.
 * @throws LayermillError with the run's own code where it failed; `RUN_CANCELLED` where it was cancelled.
 */
export function ensureDone(run: RunSummary, client: RunClient): void {
  const hint = `what is done is kept; to go on: layermill runs resume ${run.id} ${client.flag}`
  if (run.state === 'cancelled') throw new LayermillError('RUN_CANCELLED', `the run ${run.id} was cancelled`, { hint })
  if (run.state === 'failed')
    throw new LayermillError(
      receivedCode(run.error?.code ?? 'UNEXPECTED'),
      `the run ${run.id} failed: ${run.error?.message ?? 'no reason is known'}`,
      { hint },
    )
}
