import { errorMessage, LayermillError } from '@layermill/core'
import type { ThreadClient } from '../thread/client.js'

/** A thread with one of a trainer's sessions. */
export interface Replica {
  readonly client: ThreadClient
  /** The trainer's number in that thread. */
  readonly trainer: number
  /** Frees the session, and the thread where it was started for it. */
  release(): Promise<void>
}

interface Task {
  /** Call that the task belongs to. */
  readonly call: object
  /** The only replica that may do it; left out: any. */
  readonly replica?: Replica
  /** Left out: at any time. */
  readonly ready?: () => boolean
  /** `change`: replicas differ from each other where it fails; `free`: done even then. */
  readonly kind?: 'change' | 'free'
}

interface Waiting extends Task {
  /** Gives it a replica, which is then busy. */
  readonly give: (replica: Replica) => void
}

const tornApart = (cause: unknown): LayermillError =>
  new LayermillError('ENGINE_FAILED', `the threads of a trainer have different parameters: ${errorMessage(cause)}`, { cause })

/**
 * Replicas that carry out calls. Each replica does one thing at a time and takes the first task in the order of the calls that it may do, so what
 * a call changes in all replicas (`all`) is changed in each of them behind the calls before and ahead of those after it.
 */
export class Replicas {
  private tasks: Waiting[] = []
  private readonly busy = new Set<Replica>()
  private torn: LayermillError | undefined

  /** @param replicas one or more */
  constructor(private readonly replicas: readonly Replica[]) {}

  get count(): number {
    return this.replicas.length
  }

  /**
   * Does `count` things, each in whichever replica is free first, and gives the results to `take` in order, one at a time. Nothing is begun
   * that is further ahead of what has been taken than there are replicas, so that few results wait.
   * @throws what the first of them that failed threw; those that were not begun are left out
   */
  async inOrder<Result>(
    count: number,
    work: (replica: Replica, index: number) => Promise<Result>,
    take: (result: Result, index: number) => Promise<void>,
  ): Promise<void> {
    const call = {}
    let taken = 0
    const results = Array.from({ length: count }, (_, index) =>
      this.post({ call, ready: () => index <= taken + this.count }, replica => work(replica, index)),
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
   * Does something in every replica, at the same time. Where one fails, replicas differ from each other: all calls to come fail as well.
   * @throws what the first replica that failed threw
   */
  async all(work: (replica: Replica, index: number) => Promise<unknown>): Promise<void> {
    const call = {}
    const results = this.replicas.map((replica, index) => this.post({ call, replica, kind: 'change' }, () => work(replica, index)))
    this.dispatch()
    await Promise.all(results)
  }

  /** Frees all replicas behind the calls before it. */
  async release(): Promise<void> {
    const call = {}
    const results = this.replicas.map(replica => this.post({ call, replica, kind: 'free' }, () => replica.release()))
    this.dispatch()
    await Promise.all(results)
  }

  private async post<Result>(task: Task, work: (replica: Replica) => Promise<Result>): Promise<Result> {
    const replica = await new Promise<Replica>(give => {
      this.tasks.push({ ...task, give })
    })
    try {
      if (this.torn !== undefined && task.kind !== 'free') throw this.torn
      return await work(replica)
    } catch (error) {
      // Known before this replica gets its next task.
      if (task.kind === 'change' && this.count > 1) this.torn ??= tornApart(error)
      throw error
    } finally {
      this.busy.delete(replica)
      this.dispatch()
    }
  }

  private dispatch(): void {
    for (const replica of this.replicas) {
      if (this.busy.has(replica)) continue
      const at = this.tasks.findIndex(task => task.replica === undefined || task.replica === replica)
      const task = this.tasks[at]
      if (task === undefined || task.ready?.() === false) continue
      this.tasks.splice(at, 1)
      this.busy.add(replica)
      task.give(replica)
    }
  }
}
