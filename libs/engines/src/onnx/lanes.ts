import { errorMessage, LayermillError } from '@layermill/core'
import type { ThreadClient } from '../thread/client.js'

/** A thread with one of a trainer's sessions. */
export interface Lane {
  readonly client: ThreadClient
  /** The trainer's number in that thread. */
  readonly trainer: number
  /** Frees the session, and the thread where it was started for it. */
  release(): Promise<void>
}

interface Task {
  /** Call that the task belongs to. */
  readonly call: object
  /** The only lane that may do it; left out: any. */
  readonly lane?: Lane
  /** Left out: at any time. */
  readonly ready?: () => boolean
  /** `change`: lanes differ from each other where it fails; `free`: done even then. */
  readonly kind?: 'change' | 'free'
}

interface Waiting extends Task {
  /** Gives it a lane, which is then busy. */
  readonly give: (lane: Lane) => void
}

const tornApart = (cause: unknown): LayermillError =>
  new LayermillError('ENGINE_FAILED', `the threads of a trainer have different parameters: ${errorMessage(cause)}`, { cause })

/**
 * Lanes that carry out calls. Each lane does one thing at a time and takes the first task in the order of the calls that it may do, so what
 * a call changes in all lanes (`all`) is changed in each of them behind the calls before and ahead of those after it.
 */
export class Lanes {
  private tasks: Waiting[] = []
  private readonly busy = new Set<Lane>()
  private torn: LayermillError | undefined

  /** @param lanes one or more */
  constructor(private readonly lanes: readonly Lane[]) {}

  get count(): number {
    return this.lanes.length
  }

  /**
   * Does `count` things, each in whichever lane is free first, and gives the results to `take` in order, one at a time. Nothing is begun
   * that is further ahead of what has been taken than there are lanes, so that few results wait.
   * @throws what the first of them that failed threw; those that were not begun are left out
   */
  async inOrder<Result>(
    count: number,
    work: (lane: Lane, index: number) => Promise<Result>,
    take: (result: Result, index: number) => Promise<void>,
  ): Promise<void> {
    const call = {}
    let taken = 0
    const results = Array.from({ length: count }, (_, index) =>
      this.post({ call, ready: () => index <= taken + this.count }, lane => work(lane, index)),
    )
    // Nobody waits for those behind one that failed.
    for (const result of results) result.catch(() => undefined)
    this.dispatch()
    try {
      for (const [index, result] of results.entries()) {
        await take(await result, index)
        taken = index + 1
        this.dispatch()
      }
    } finally {
      this.tasks = this.tasks.filter(task => task.call !== call)
      this.dispatch()
    }
  }

  /**
   * Does something in every lane, at the same time. Where one fails, lanes differ from each other: all calls to come fail as well.
   * @throws what the first lane that failed threw
   */
  async all(work: (lane: Lane, index: number) => Promise<unknown>): Promise<void> {
    const call = {}
    const results = this.lanes.map((lane, index) => this.post({ call, lane, kind: 'change' }, () => work(lane, index)))
    this.dispatch()
    await Promise.all(results)
  }

  /** Frees all lanes behind the calls before it. */
  async release(): Promise<void> {
    const call = {}
    const results = this.lanes.map(lane => this.post({ call, lane, kind: 'free' }, () => lane.release()))
    this.dispatch()
    await Promise.all(results)
  }

  private async post<Result>(task: Task, work: (lane: Lane) => Promise<Result>): Promise<Result> {
    const lane = await new Promise<Lane>(give => {
      this.tasks.push({ ...task, give })
    })
    try {
      if (this.torn !== undefined && task.kind !== 'free') throw this.torn
      return await work(lane)
    } catch (error) {
      // Known before this lane gets its next task.
      if (task.kind === 'change' && this.count > 1) this.torn ??= tornApart(error)
      throw error
    } finally {
      this.busy.delete(lane)
      this.dispatch()
    }
  }

  private dispatch(): void {
    for (const lane of this.lanes) {
      if (this.busy.has(lane)) continue
      const at = this.tasks.findIndex(task => task.lane === undefined || task.lane === lane)
      const task = this.tasks[at]
      if (task === undefined || task.ready?.() === false) continue
      this.tasks.splice(at, 1)
      this.busy.add(lane)
      task.give(lane)
    }
  }
}
