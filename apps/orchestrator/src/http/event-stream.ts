import { hasEnded, type Problem, type RunEvent } from '@layermill/contracts'

/** Milliseconds after which a browser asks again when the connection is lost. */
const retry = 3000

const oneLine = (text: string): string => text.replaceAll(/[\r\n\0]/g, '')

/** One event in the format of server-sent events. */
export function encodeEvent({ id, event, data }: { id?: string; event: string; data: unknown }): string {
  const head = id === undefined ? '' : `id: ${oneLine(id)}\n`
  return `${head}event: ${oneLine(event)}\ndata: ${JSON.stringify(data)}\n\n`
}

export interface EventStreamOptions {
  /** Aborted when the client has gone or the server closes. */
  signal: AbortSignal
  /** Milliseconds between comments that keep the connection open through proxies. */
  heartbeat: number
  /** An error while events are told, as the last event of the stream. */
  problem: (error: unknown) => Problem
}

/** A client that has gone does not want to know. */
const ignore = (): void => {}

type Turn = IteratorResult<RunEvent, unknown> | 'heartbeat' | 'gone'

/** The next event, or whichever comes first of a pause and the client's leaving. The pending `next` stays to be asked again. */
async function nextTurn(next: Promise<IteratorResult<RunEvent, unknown>>, { signal, heartbeat }: EventStreamOptions): Promise<Turn> {
  if (signal.aborted) {
    next.catch(ignore)
    return 'gone'
  }
  let timer: NodeJS.Timeout | undefined
  let leave = (): void => {}
  const other = new Promise<Turn>(resolve => {
    timer = setTimeout(() => resolve('heartbeat'), heartbeat)
    leave = () => resolve('gone')
    signal.addEventListener('abort', leave)
  })
  try {
    return await Promise.race([next, other])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', leave)
  }
}

/**
 * Events of a run as the text of a server-sent event stream. Ends after the event that says the run has ended, when the events end, and
 * when `signal` is aborted; the source is told to stop in each case. `first` is what the source's first `next()` gave, if it was asked
 * before.
 */
export async function* eventStream(
  source: AsyncIterator<RunEvent>,
  options: EventStreamOptions,
  first?: Promise<IteratorResult<RunEvent, unknown>>,
): AsyncGenerator<string, void, undefined> {
  try {
    yield `retry: ${retry}\n\n`
    let next = first ?? source.next()
    for (;;) {
      const turn = await nextTurn(next, options)
      if (turn === 'gone') return
      if (turn === 'heartbeat') {
        yield ': heartbeat\n\n'
        continue
      }
      if (turn.done === true) return
      yield encodeEvent(turn.value)
      if (turn.value.event === 'state' && hasEnded(turn.value.data.state)) return
      next = source.next()
    }
  } catch (error) {
    yield encodeEvent({ event: 'problem', data: options.problem(error) })
  } finally {
    // Not awaited: a source that is in the middle of something settles in its own time.
    void Promise.resolve(source.return?.()).catch(ignore)
  }
}
