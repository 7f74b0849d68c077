import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Duplex } from 'node:stream'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { errorMessage, LayermillError } from '@layermill/core'
import { lockFolder } from './folder-lock.js'
import type { FromThread, ThreadData, ToThread } from './thread-messages.js'

/** One client's connection, as `pg` wants it: a socket, here to the database's thread. */
class ThreadSocket extends Duplex {
  private readonly post: (bytes: Uint8Array) => void
  private readonly gone: () => void

  constructor(post: (bytes: Uint8Array) => void, gone: () => void) {
    super()
    this.post = post
    this.gone = gone
  }

  connect(): this {
    process.nextTick(() => this.emit('connect'))
    return this
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.post(chunk)
    done()
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    this.post(Buffer.concat(chunks.map(({ chunk }) => chunk)))
    done()
  }

  override _final(done: () => void): void {
    this.gone()
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.gone()
    done(error)
  }

  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

export interface EmbeddedPostgres {
  /** A new connection, for `pg`'s `stream` option. */
  socket(): Duplex
  close(): Promise<void>
}

/** In a build this file's neighbour; from sources (tests), the built one. */
function threadFile(): string {
  const near = fileURLToPath(new URL('./thread.js', import.meta.url))
  return existsSync(near) ? near : fileURLToPath(new URL('../../dist/embedded/thread.js', import.meta.url))
}

/** Starts the thread; a folder that PostgreSQL cannot open is set aside, and an empty one takes its place. */
async function startThread(directory: string | undefined, onSetAside: (text: string) => void): Promise<DatabaseThread> {
  const thread = new DatabaseThread({ directory })
  try {
    await thread.ready
    return thread
  } catch (error) {
    if (directory === undefined || !existsSync(join(directory, 'PG_VERSION'))) throw error
    const aside = `${directory}.unreadable-${Date.now()}`
    await rename(directory, aside)
    onSetAside(
      `the queue's folder ${directory} cannot be opened (${errorMessage(error)}): it is kept as ${aside}, and an empty queue takes its place; runs that had not ended go on with: layermill runs resume OUT`,
    )
    const again = new DatabaseThread({ directory })
    await again.ready
    return again
  }
}

/**
 * PostgreSQL in a thread of this process (PGlite), with BullMQ's tables: in memory, or in a folder that is locked until `close`.
 * @param onSetAside told where a folder could not be opened and an empty one took its place
 * Throws `QUEUE_LOCKED`, or `QUEUE_FAILED` where it does not start.
 */
export async function openEmbeddedPostgres(
  directory?: string,
  onSetAside: (text: string) => void = () => undefined,
): Promise<EmbeddedPostgres> {
  const unlock = directory === undefined ? undefined : await lockFolder(directory)
  // PostgreSQL has thousands of functions that are warm while it starts and then rarely run. By its own measure V8 optimizes them all at
  // once, two seconds of CPU that the engine and the decoders lack; by this one only those that go on being used.
  setFlagsFromString('--wasm-tiering-budget=200000000')
  try {
    const thread = await startThread(directory, onSetAside)
    return {
      socket: () => thread.socket(),
      close: async () => {
        await thread.close()
        await unlock?.()
      },
    }
  } catch (error) {
    await unlock?.()
    if (error instanceof LayermillError) throw error
    throw new LayermillError('QUEUE_FAILED', `embedded queue: the database does not start: ${errorMessage(error)}`, { cause: error })
  }
}

class DatabaseThread {
  readonly ready: Promise<void>
  private readonly worker: Worker
  private readonly sockets = new Map<number, ThreadSocket>()
  private clients = 0
  private ended = false
  private readonly exited: Promise<void>

  constructor(data: ThreadData) {
    // No flags of the process: `node --input-type=module -e` and the like would break the thread.
    this.worker = new Worker(threadFile(), { execArgv: [], workerData: data, name: 'layermill-embedded-queue' })
    this.worker.on('message', (message: FromThread) => this.take(message))
    this.ready = new Promise((resolve, reject) => {
      this.worker.on('message', (message: FromThread) => {
        if (message.kind === 'ready') resolve()
      })
      this.worker.on('error', reject)
      this.worker.on('exit', () => reject(new Error('the embedded database has ended')))
    })
    this.exited = new Promise(resolve => {
      this.worker.on('exit', () => {
        this.ended = true
        for (const socket of this.sockets.values()) socket.destroy(new Error('the embedded database has ended'))
        resolve()
      })
    })
  }

  private take(message: FromThread): void {
    if (message.kind === 'bytes') this.sockets.get(message.client)?.push(Buffer.from(message.bytes.buffer))
    else if (message.kind === 'closed') void this.worker.terminate()
  }

  socket(): ThreadSocket {
    const client = ++this.clients
    const socket = new ThreadSocket(
      bytes => this.post({ kind: 'bytes', client, bytes }),
      () => {
        if (this.sockets.delete(client)) this.post({ kind: 'gone', client })
      },
    )
    this.sockets.set(client, socket)
    return socket
  }

  async close(): Promise<void> {
    this.post({ kind: 'close' })
    await this.exited
  }

  private post(message: ToThread): void {
    if (!this.ended) this.worker.postMessage(message)
  }
}
