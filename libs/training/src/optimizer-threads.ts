import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { errorMessage, LayermillError } from '@layermill/core'
import type { PartUpdater } from './optimizer-kernels.js'
import { sharedNumbers } from './optimizer-memory.js'
import { partOf, type ParameterUpdate } from './optimizer-rules.js'
import type { OptimizerThreadData, PartToUpdate } from './optimizer-thread.js'

/** Elements of a part that is handed over: about 1.5 ms of work, so that no thread waits long for another at the end. */
export const partLength = 1 << 18
/** Below this the calling thread is done sooner than the message is sent. */
const smallest = 1 << 14
/** Parts that a thread has at once: the next one is there when one is done. */
export const slotCount = 2

/** Found through the package's exports, so that sources run by a test runner start the built thread too. */
function builtThread(): string {
  return createRequire(import.meta.url).resolve('@layermill/training/optimizer-thread')
}

const isShared = ({ buffer }: Float32Array): boolean => buffer instanceof SharedArrayBuffer

/** One thread and the memory that gradients are copied into for it. It keeps the process alive only while it has parts. */
class Helper {
  private readonly free: number[]
  private readonly worker: Worker

  constructor(
    entry: string | URL,
    private readonly slots: readonly Float32Array[],
    private readonly updater: PartUpdater | undefined,
    { onDone, onEnd }: { onDone: () => void; onEnd: (reason: string, cause?: unknown) => void },
  ) {
    this.free = slots.map((_, i) => i)
    const workerData: OptimizerThreadData = { kernels: updater?.data }
    // No flags of the process: `node --input-type=module -e` and the like would break the thread.
    this.worker = new Worker(entry, { name: 'layermill-optimizer', execArgv: [], workerData })
    this.worker.unref()
    this.worker.on('message', (slot: number) => {
      this.free.push(slot)
      if (!this.busy) this.worker.unref()
      onDone()
    })
    this.worker.on('error', cause => onEnd(`a thread of the optimizer crashed: ${errorMessage(cause)}`, cause))
    this.worker.on('exit', code => onEnd(`a thread of the optimizer has ended (exit code ${code})`))
  }

  get busy(): boolean {
    return this.free.length < this.slots.length
  }

  take(update: ParameterUpdate, start: number, end: number): boolean {
    const slot = this.free.pop()
    if (slot === undefined) return false
    const g = this.slots[slot]!.subarray(0, end - start)
    g.set(update.g.subarray(start, end))
    const part: PartToUpdate = { slot, byKernels: this.updater?.byKernels(update) ?? false, update: { ...partOf(update, start, end), g } }
    this.worker.ref()
    this.worker.postMessage(part)
    return true
  }

  async end(): Promise<void> {
    await this.worker.terminate()
  }
}

/**
 * Threads that update parts of parameters beside the calling one. Started with the first part; closed or forgotten, they keep no process
 * alive. Elements do not depend on each other: who updates which makes no difference to the numbers.
 */
export class OptimizerThreads {
  private helpers: Helper[] = []
  private failure: LayermillError | undefined
  private waiting: { resolve(): void; reject(error: LayermillError): void } | undefined

  private readonly slots: readonly (readonly Float32Array[])[]

  /**
   * @param count threads beside the calling one, 1 or more
   * @param entry the threads' module: a path, or a URL of code
   * @param updater what the calling thread updates parts with
   * @param numbers gives memory that threads share
   */
  constructor(
    count: number,
    private readonly entry?: string | URL,
    private readonly updater?: PartUpdater,
    numbers: (length: number) => Float32Array = sharedNumbers,
  ) {
    this.slots = Array.from({ length: count }, () => Array.from({ length: slotCount }, () => numbers(partLength)))
  }

  /**
   * Hands a part of at most `PART` elements over, where a thread has room for it; `p` and the memory are left alone until
   * `settled`. The gradient is copied.
   * @returns false where the caller is to do it: there is no room, the part is small, or not in shared memory
   * @throws LayermillError `OPTIMIZER_FAILED` after a thread has ended
   */
  offer(update: ParameterUpdate, start: number, end: number): boolean {
    if (this.failure !== undefined) throw this.failure
    if (end - start < smallest || !isShared(update.p) || !isShared(update.memory.v)) return false
    if (this.helpers.length === 0) this.start()
    return this.helpers.some(helper => helper.take(update, start, end))
  }

  /** Waits for all that was handed over. @throws LayermillError `OPTIMIZER_FAILED` where a thread ended before. */
  async settled(): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    if (!this.helpers.some(({ busy }) => busy)) return
    await new Promise<void>((resolve, reject) => {
      this.waiting = { resolve, reject }
    })
  }

  /** Ends the threads; a part that is offered later starts new ones. Where they still have parts, the update fails. */
  async close(): Promise<void> {
    const { helpers } = this
    if (helpers.some(({ busy }) => busy)) this.fail('the optimizer was closed during an update')
    this.helpers = []
    await Promise.all(helpers.map(helper => helper.end()))
  }

  private start(): void {
    const entry = this.entry ?? builtThread()
    for (const slots of this.slots) {
      const helper = new Helper(entry, slots, this.updater, {
        onDone: () => this.progress(),
        onEnd: (reason, cause) => {
          if (this.helpers.includes(helper)) this.fail(reason, cause)
        },
      })
      this.helpers.push(helper)
    }
  }

  private progress(): void {
    if (this.waiting === undefined || this.helpers.some(({ busy }) => busy)) return
    this.waiting.resolve()
    this.waiting = undefined
  }

  private fail(reason: string, cause?: unknown): void {
    this.failure ??= new LayermillError('OPTIMIZER_FAILED', reason, {
      cause,
      hint: 'run the same command again: it goes on from the last checkpoint',
    })
    this.waiting?.reject(this.failure)
    this.waiting = undefined
  }
}
