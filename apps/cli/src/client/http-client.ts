import { setTimeout as pause } from 'node:timers/promises'
import { hasCredentials, type RunSpec } from '@layermill/jobs'
import { errorMessage, LayermillError } from '@layermill/models'
import { Problem, RunDetail, RunEvent, type RunEventOptions, type RunListQuery, RunPage, RunSummary } from '@layermill/orchestrator'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { z } from 'zod'
import type { RunClient } from './run-client.js'

/** How long a follower tries to reach a server again that was there before, in milliseconds. */
const patience = 120_000
/** How long one request may take, in milliseconds. */
const requestTimeout = 60_000

/** A problem document as an error. */
function problemError(body: unknown, status: number): LayermillError {
  const parsed = Problem.safeParse(body)
  if (!parsed.success) return new LayermillError('UNAVAILABLE', `the server answered with status ${status}, and not as layermill serve does`)
  const { code, detail, hint } = parsed.data
  return new LayermillError(code, detail, hint === undefined ? {} : { hint })
}

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
  readonly #base: string
  readonly #headers: Record<string, string>

  /** @throws LayermillError `SPEC_INVALID` for what is not the URL of a server. */
  constructor(url: string, token: string | undefined) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url) || hasCredentials(url)) {
      throw new LayermillError('SPEC_INVALID', '--server: expected http://host:port or https://host without credentials', { hint: 'the token comes from LAYERMILL_TOKEN or --token-file' })
    }
    this.#base = url.replace(/\/+$/, '')
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    this.flag = `--server ${this.#base}`
  }

  submit(spec: RunSpec): Promise<RunSummary> {
    return this.#json('POST', '/v1/runs', RunSummary, JSON.stringify(spec))
  }

  list(query: RunListQuery): Promise<RunPage> {
    const search = new URLSearchParams(Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]])))
    return this.#json('GET', `/v1/runs?${search.toString()}`, RunPage)
  }

  get(id: string): Promise<RunDetail> {
    return this.#json('GET', `/v1/runs/${encodeURIComponent(id)}`, RunDetail)
  }

  cancel(id: string): Promise<RunSummary> {
    return this.#json('POST', `/v1/runs/${encodeURIComponent(id)}/cancel`, RunSummary)
  }

  resume(id: string): Promise<RunSummary> {
    return this.#json('POST', `/v1/runs/${encodeURIComponent(id)}/resume`, RunSummary)
  }

  resumeStore(): Promise<RunSummary> {
    return Promise.reject(new LayermillError('SPEC_INVALID', 'runs resume: a server takes the id of a run, not where it is', {
      hint: 'submit the same command again, or use --queue: both go on from what is there',
    }))
  }

  /** Connects again where the connection is lost, and goes on after the last event. */
  async *events(id: string, { after, signal }: RunEventOptions): AsyncGenerator<RunEvent> {
    let last = after
    let lost: number | undefined
    while (!signal.aborted) {
      try {
        const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last }
        const response = await this.#fetch('GET', `/v1/runs/${encodeURIComponent(id)}/events`, { headers, signal })
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

  async #json<Schema extends z.ZodType>(method: string, path: string, schema: Schema, body?: string): Promise<z.output<Schema>> {
    const response = await this.#fetch(method, path, { body, signal: AbortSignal.timeout(requestTimeout) })
    const parsed = schema.safeParse(await response.json())
    if (parsed.success) return parsed.data
    throw new LayermillError('UNAVAILABLE', `${this.#base} did not answer ${path} as layermill serve does`, { hint: 'run the same version on both sides' })
  }

  async #fetch(method: string, path: string, options: { body?: string; headers?: Record<string, string>; signal: AbortSignal }): Promise<Response> {
    const headers = { ...this.#headers, ...options.headers, ...(options.body === undefined ? {} : { 'content-type': 'application/json' }) }
    let response: Response
    try {
      response = await fetch(`${this.#base}${path}`, { method, headers, body: options.body, signal: options.signal, redirect: 'error' })
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
      throw new LayermillError('UNAVAILABLE', `${this.#base} cannot be reached: ${errorMessage(reason)}`, { cause, hint: 'Is layermill serve running there?' })
    }
    if (!response.ok) throw problemError(await response.json().catch(() => undefined), response.status)
    return response
  }
}

/** Whether trying again can help: the network's or the server's own trouble. */
function isPassing(error: unknown): boolean {
  return !(error instanceof LayermillError) || error.code === 'UNAVAILABLE' || error.code.startsWith('QUEUE_')
}
