import '../telemetry.js'
import { createRequire } from 'node:module'
import { type Transferable, Worker } from 'node:worker_threads'
import { errorMessage, LayermillError, receivedCode } from '@layermill/core'
import type { EngineName } from '../engine.js'
import { createFlags, stopNativeCalls } from './guard.js'
import type { Reply, RequestKind, Requests } from './protocol.js'

/** A thread that hands large buffers on makes little that is short-lived: the default of a process is several times what it needs. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 }

interface Pending {
  resolve(result: Requests[RequestKind]['result']): void
  reject(error: LayermillError): void
}

/** Found through the package's exports, so that sources run by a test runner start the built thread too. */
function engineThread(): string {
  return createRequire(import.meta.url).resolve('@layermill/engines/thread')
}

/** The calling thread's end of an engine thread. The thread keeps the process alive only while an answer is due. */
export class ThreadClient {
  private readonly worker: Worker
  private readonly flags = createFlags()
  private readonly pending = new Map<number, Pending>()
  private readonly stop = () => stopNativeCalls(this.flags)
  private nextId = 0
  private failure: LayermillError | undefined
  /** Resolves when the thread is gone, also where it has crashed. */
  readonly ended: Promise<void>

  /**
   * @param engine what the thread runs
   * @param entry the thread's module: a path, or a URL of code.
   */
  constructor(engine: EngineName = 'onnx', entry: string | URL = engineThread()) {
    // No flags of the process: `node --input-type=module -e` and the like would break the thread.
    this.worker = new Worker(entry, { name: 'layermill-engine', execArgv: [], workerData: { engine, flags: this.flags }, resourceLimits })
    this.worker.unref()
    this.worker.on('message', (reply: Reply) => this.settle(reply))
    this.worker.on('error', cause => this.fail(`the engine thread crashed: ${errorMessage(cause)}`, cause))
    process.on('exit', this.stop)
    this.ended = new Promise(resolve => {
      this.worker.on('exit', code => {
        process.off('exit', this.stop)
        this.fail(`the engine thread has ended (exit code ${code})`)
        resolve()
      })
    })
  }

  /**
   * Sends a request and waits for its answer.
   * @throws LayermillError what the thread answers; `ENGINE_FAILED` where the thread is gone.
   */
  request<Kind extends RequestKind>(
    kind: Kind,
    params: Requests[Kind]['params'],
    transfer: readonly Transferable[] = [],
  ): Promise<Requests[Kind]['result']> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      this.worker.postMessage({ id, kind, params }, transfer)
      this.pending.set(id, { resolve, reject })
      this.worker.ref()
    })
  }

  /** Asks for something to be freed; what a thread held that is gone is freed. */
  async free<Kind extends 'release' | 'releaseTrainer' | 'releaseExplainer' | 'close'>(
    kind: Kind,
    params: Requests[Kind]['params'],
  ): Promise<void> {
    try {
      await this.request(kind, params)
    } catch (error) {
      if (!(error instanceof LayermillError && error.code === 'ENGINE_FAILED')) throw error
    }
  }

  /** Ends the thread behind all pending requests; also settles where it has crashed before. */
  async close(): Promise<void> {
    await this.free('close', undefined)
    // Nothing is pending any more, but the end of the thread is still to be waited for.
    this.worker.ref()
    await this.ended
  }

  private settle(reply: Reply): void {
    const pending = this.pending.get(reply.id)
    this.pending.delete(reply.id)
    if (this.pending.size === 0) this.worker.unref()
    if (reply.ok) pending?.resolve(reply.result)
    else pending?.reject(new LayermillError(receivedCode(reply.error.code), reply.error.message, { hint: reply.error.hint }))
  }

  private fail(message: string, cause?: unknown): void {
    this.failure ??= new LayermillError('ENGINE_FAILED', message, { cause })
    for (const request of this.pending.values()) request.reject(this.failure)
    this.pending.clear()
  }
}
