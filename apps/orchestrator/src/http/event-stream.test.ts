import { describe, expect, it } from 'vitest'
import { encodeEvent, eventStream } from './event-stream.js'
import type { RunEvent } from '@layermill/contracts'

const failure = (id: string): RunEvent => ({
  id,
  event: 'failure',
  data: { key: 'a\nb.jpg', code: 'IMAGE_CORRUPT', reason: 'data: x\n\nevent: state' },
})

describe('encodeEvent', () => {
  it('keeps line ends of names and data from making events of their own', () => {
    expect(encodeEvent(failure('7\nevent: x'))).toBe(
      'id: 7event: x\nevent: failure\ndata: {"key":"a\\nb.jpg","code":"IMAGE_CORRUPT","reason":"data: x\\n\\nevent: state"}\n\n',
    )
  })
})

describe('eventStream', () => {
  const options = (signal: AbortSignal, heartbeat = 1e9) => ({
    signal,
    heartbeat,
    problem: () => ({ type: 't', title: 'T', status: 500, detail: 'D', code: 'INTERNAL', instance: 'i' }),
  })

  it('stops at once when the listener goes, even while the source is silent, and tells the source', async () => {
    let stopped = false
    const silent: AsyncIterator<RunEvent> = {
      next: () => new Promise(() => {}),
      return: () => {
        stopped = true
        return Promise.resolve({ done: true, value: undefined })
      },
    }
    const gone = new AbortController()
    const stream = eventStream(silent, options(gone.signal))
    expect((await stream.next()).value).toBe('retry: 3000\n\n')
    const next = stream.next()
    gone.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(stopped).toBe(true)
  })

  it('beats while the source is silent and loses no event by it', async () => {
    let release = (_event: RunEvent): void => {}
    const source: AsyncIterator<RunEvent> = {
      next: () =>
        new Promise(resolve => {
          release = value => resolve({ done: false, value })
        }),
    }
    const stream = eventStream(source, options(new AbortController().signal, 1))
    await stream.next()
    expect((await stream.next()).value).toBe(': heartbeat\n\n')
    expect((await stream.next()).value).toBe(': heartbeat\n\n')
    const next = stream.next()
    release(failure('1'))
    const seen = [(await next).value]
    while (seen.at(-1) === ': heartbeat\n\n') seen.push((await stream.next()).value)
    expect(seen.at(-1)).toContain('id: 1\nevent: failure\n')
    await stream.return()
  })

  it('ends with a problem where the source fails', async () => {
    const failing: AsyncIterator<RunEvent> = { next: () => Promise.reject(new Error('secret')) }
    const text: string[] = []
    for await (const piece of eventStream(failing, options(new AbortController().signal))) text.push(piece)
    expect(text).toEqual([
      'retry: 3000\n\n',
      'event: problem\ndata: {"type":"t","title":"T","status":500,"detail":"D","code":"INTERNAL","instance":"i"}\n\n',
    ])
  })
})
