import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { errorMessage, Gate, LayermillError } from '@layermill/core'
import { tooSlow } from '../decode-with-sharp.js'
import type { DraftAnswer, DraftRequest } from './thread.js'

/** Found through the package's exports, so that sources run by a test runner start the built thread too. */
function threadFile(): string {
  return createRequire(import.meta.url).resolve('@layermill/preprocess/draft-thread')
}

interface Asked {
  readonly resolve: (answer: DraftAnswer) => void
  readonly reject: (error: LayermillError) => void
}

/** One thread. It keeps the process alive only while it decodes, and is ended where a picture takes too long. */
class DraftThread {
  private readonly worker = new Worker(threadFile(), { name: 'layermill-draft', execArgv: [] })
  private asked: Asked | undefined
  usable = true

  constructor() {
    this.worker.unref()
    this.worker.on('message', (answer: DraftAnswer) => this.asked?.resolve(answer))
    this.worker.on('error', cause => this.broken(errorMessage(cause)))
    this.worker.on('exit', code => this.broken(`exit code ${code}`))
  }

  async decode(request: DraftRequest, timeoutMs: number): Promise<DraftAnswer> {
    const { worker } = this
    let timer: NodeJS.Timeout | undefined
    worker.ref()
    try {
      return await new Promise<DraftAnswer>((resolve, reject) => {
        this.asked = { resolve, reject }
        timer = setTimeout(() => reject(tooSlow(timeoutMs)), timeoutMs)
        worker.postMessage(request)
      })
    } catch (error) {
      this.usable = false
      await worker.terminate()
      throw error
    } finally {
      this.asked = undefined
      clearTimeout(timer)
      worker.unref()
    }
  }

  private broken(reason: string): void {
    this.usable = false
    this.asked?.reject(new LayermillError('IMAGE_CORRUPT', `the picture ended its decoder (${reason})`))
  }
}

/** Threads decode side by side as far as there are cores: each holds 40 MB of its own. */
const threads = Math.max(1, Math.min(4, availableParallelism()))
const gate = new Gate(threads)
const idle: DraftThread[] = []

/**
 * Decodes a JPEG at a scale, in a thread.
 * @throws LayermillError IMAGE_TIMEOUT, IMAGE_CORRUPT where the decoder broke down
 */
export async function decodeAtScale(request: DraftRequest, timeoutMs: number): Promise<DraftAnswer> {
  return await gate.run(async () => {
    let thread = idle.pop()
    while (thread?.usable === false) thread = idle.pop()
    thread ??= new DraftThread()
    try {
      return await thread.decode(request, timeoutMs)
    } finally {
      if (thread.usable) idle.push(thread)
    }
  })
}
