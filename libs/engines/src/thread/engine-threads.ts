import { LayermillError } from '@layermill/core'
import type { ThreadClient } from './client.js'
import type { Requests } from './protocol.js'

/** The threads of one engine: its own, and those that are started beside it. */
export class EngineThreads {
  private readonly further = new Set<ThreadClient>()
  private closing: Promise<void> | undefined

  /**
   * @param main the engine's own, open
   * @param start starts another of the same kind
   */
  constructor(
    readonly main: ThreadClient,
    private readonly start: () => ThreadClient,
  ) {}

  /**
   * Starts a thread and opens it. Who asked for it closes it; else it ends with the engine.
   * @throws LayermillError `ENGINE_CLOSED`; what the thread answers
   */
  async open(params: Requests['open']['params']): Promise<ThreadClient> {
    if (this.closing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'the engine has been closed')
    const client = this.start()
    this.further.add(client)
    void client.ended.then(() => this.further.delete(client))
    try {
      await client.request('open', params)
      return client
    } catch (error) {
      await client.close()
      throw error
    }
  }

  /** Ends all of them, each behind what was asked of it. Idempotent. */
  close(): Promise<void> {
    this.closing ??= Promise.all([this.main, ...this.further].map(client => client.close())).then(() => undefined)
    return this.closing
  }
}
