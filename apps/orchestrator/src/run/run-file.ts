import type { RunRecord } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError, receivedCode } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { PartFailedError } from './part-tracker.js'
import { writeRunRecord } from './record-store.js'

/** The record of a run under way, and its file. */
export class RunFile {
  constructor(
    private current: RunRecord,
    private readonly store: Store,
  ) {}

  get record(): RunRecord {
    return this.current
  }

  /** Changes what the next save writes. */
  note(changes: Partial<RunRecord>): void {
    this.current = { ...this.current, ...changes }
  }

  async save(changes: Partial<RunRecord>): Promise<void> {
    this.note(changes)
    await writeRunRecord(this.store, this.current)
  }

  /**
   * Takes up a change that was asked for before the run was done: its parts have new numbers and its jobs new ids.
   * @returns whether there is one
   */
  async takeFollowUp(): Promise<boolean> {
    const { followUp, generation } = this.current
    if (followUp === undefined) return false
    await this.save({ state: 'planning', planned: false, updating: followUp, followUp: undefined, generation: generation + 1 })
    return true
  }

  /** Notes that the run is done. */
  async finish(facts: Partial<RunRecord>, started: Date, finished: Date): Promise<void> {
    const { updating: _updating, replacing: _replacing, error: _error, ...record } = this.current
    this.current = record
    const seconds = (finished.getTime() - started.getTime()) / 1000
    await this.save({ ...facts, state: 'done', planned: true, finished: finished.toISOString(), seconds })
  }

  /** Notes that the run failed, and why. @returns the error for people */
  async fail(error: unknown, kept: string): Promise<LayermillError> {
    const [code, message] = [errorCode(error), errorMessage(error)]
    // A record that cannot even be written (a full disk) goes on saying that the run is unfinished, which it is.
    await this.save({ state: 'failed', error: { code, message } }).catch(() => undefined)
    if (error instanceof LayermillError) return error
    const own = error instanceof PartFailedError && error.hint !== undefined ? `${error.hint}; ` : ''
    const hint = `${own}${kept} are kept: once the cause is gone, run the same command again`
    return new LayermillError(receivedCode(code), message, { cause: error, hint })
  }
}
