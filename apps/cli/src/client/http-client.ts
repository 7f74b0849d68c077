import { setTimeout as pause } from 'node:timers/promises'
import {
  FleetState,
  RunDetail,
  RunEvent,
  type RunEventOptions,
  type RunListQuery,
  RunPage,
  RunPlan,
  type RunSpec,
  RunSummary,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { RunClient } from './run-client.js'
import { problemError, ServerConnection } from './server-connection.js'

/** How long a follower tries to reach a server again that was there before, in milliseconds. */
const patience = 120_000
/** The events of one answer as they come in. */
async function* serverEvents(response: Response): AsyncGenerator<RunEvent> {
  if (response.body === null) return
  const messages = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const { id, event, data } of messages) {
    const value: unknown = JSON.parse(data)
    if (event === 'problem') throw problemError(value, 500)
    const parsed = RunEvent.safeParse({ id: id ?? '', event, data: value })
    // A newer server may tell more than this client knows.
    if (parsed.success) yield parsed.data
  }
}

/** The runs of a server, `layermill serve`. */
export class HttpRunClient implements RunClient {
  readonly flag: string
  readonly fleet: RunClient['fleet']
  private readonly server: ServerConnection

  /** @throws LayermillError `SPEC_INVALID` for what is not the URL of a server. */
  constructor(url: string, token: string | undefined) {
    this.server = new ServerConnection(url, token)
    const server = this.server
    this.fleet = {
      state: () => server.json('GET', '/v1/fleet', FleetState),
      pause: () => server.json('POST', '/v1/fleet/pause', FleetState),
      resume: () => server.json('POST', '/v1/fleet/resume', FleetState),
    }
    this.flag = `--server ${this.server.base}`
  }

  submit(spec: RunSpec): Promise<RunSummary> {
    return this.server.json('POST', '/v1/runs', RunSummary, JSON.stringify(spec))
  }

  plan(spec: RunSpec): Promise<RunPlan> {
    return this.server.json('POST', '/v1/runs', RunPlan, JSON.stringify({ ...spec, plan: true }))
  }

  list(query: RunListQuery): Promise<RunPage> {
    const search = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]])),
    )
    return this.server.json('GET', `/v1/runs?${search.toString()}`, RunPage)
  }

  get(id: string): Promise<RunDetail> {
    return this.server.json('GET', `/v1/runs/${encodeURIComponent(id)}`, RunDetail)
  }

  cancel(id: string): Promise<RunSummary> {
    return this.server.json('POST', `/v1/runs/${encodeURIComponent(id)}/cancel`, RunSummary)
  }

  pause(id: string): Promise<RunSummary> {
    return this.server.json('POST', `/v1/runs/${encodeURIComponent(id)}/pause`, RunSummary)
  }

  resume(id: string): Promise<RunSummary> {
    return this.server.json('POST', `/v1/runs/${encodeURIComponent(id)}/resume`, RunSummary)
  }

  resumeStore(): Promise<RunSummary> {
    return Promise.reject(
      new LayermillError('SPEC_INVALID', 'runs resume: a server takes the id of a run, not where it is', {
        hint: 'submit the same command again, or use --queue: both go on from what is there',
      }),
    )
  }

  /** Connects again where the connection is lost, and goes on after the last event. */
  async *events(id: string, { after, signal }: RunEventOptions): AsyncGenerator<RunEvent> {
    let last = after
    let lost: number | undefined
    while (!signal.aborted) {
      try {
        const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last }
        const response = await this.server.fetch('GET', `/v1/runs/${encodeURIComponent(id)}/events`, { headers, signal })
        if (response.status === 204) return
        for await (const event of serverEvents(response)) {
          lost = undefined
          last = event.id
          yield event
        }
      } catch (error) {
        if (signal.aborted) return
        lost ??= Date.now()
        if (!isPassing(error) || Date.now() - lost > patience) throw error
      }
      await pause(1000, undefined, { signal }).catch(() => undefined)
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Whether trying again can help: the network's or the server's own trouble. */
function isPassing(error: unknown): boolean {
  return !(error instanceof LayermillError) || error.code === 'UNAVAILABLE' || error.code.startsWith('QUEUE_')
}
