import type { RunEvent } from '@layermill/contracts'
import { createParser } from 'eventsource-parser'
import { ApiError, send } from './api.js'

const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })

/**
 * One connection's events. Fetched, and not an EventSource, because that cannot send the token in a header. Returns whether there may be
 * more.
 */
async function listen(id: string, last: { id?: string }, signal: AbortSignal, tell: (event: RunEvent) => void): Promise<boolean> {
  const headers: Record<string, string> = last.id === undefined ? {} : { 'last-event-id': last.id }
  const response = await send(`/v1/runs/${id}/events`, { signal, headers })
  if (response.status === 204 || response.body === null) return false
  let ended = false
  const parser = createParser({
    onEvent: ({ id: eventId, event, data }) => {
      if (event === undefined || event === 'problem') return
      last.id = eventId ?? last.id
      const parsed = { id: eventId ?? '', event, data: JSON.parse(data) as unknown } as RunEvent
      if (parsed.event === 'state' && ['done', 'failed', 'cancelled'].includes(parsed.data.state)) ended = true
      tell(parsed)
    },
  })
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return !ended
    parser.feed(value)
  }
}

/** Follows a run until it ends or `signal` is aborted; connections that break are opened again. */
export async function followRun(id: string, signal: AbortSignal, tell: (event: RunEvent) => void): Promise<void> {
  const last: { id?: string } = {}
  while (!signal.aborted) {
    try {
      if (!(await listen(id, last, signal, tell))) return
    } catch (error) {
      if (error instanceof ApiError && error.problem.status >= 400 && error.problem.status < 500) return
    }
    await pause(3000, signal)
  }
}
