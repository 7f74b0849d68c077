import { request, type IncomingMessage } from 'node:http'
import type { Metrics } from '@layermill/orchestrator'
import { beforeEach, describe, expect, it } from 'vitest'
import { bearer, startServer, type Fixture } from './server-fixture.js'

let fixture: Fixture

beforeEach(async () => {
  fixture = await startServer({ heartbeat: 20, mostStreams: 3 })
  await fixture.runs.submit({ kind: 'extract', source: 'photos', model: 'resnet50', out: 'features' } as never)
  return () => fixture.close()
})

/** Opens an event stream on a connection of its own. */
function follow(headers: Record<string, string> = {}, id = 'run-1'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(`${fixture.url}/v1/runs/${id}/events`, { headers: { ...bearer('read'), ...headers }, agent: false }, resolve)
    sent.on('error', reject)
    sent.end()
  })
}

interface Sent {
  id?: string
  event: string
  data: { state?: string; key?: string; code?: string }
}

/** Reads a stream to its end, or until `enough` of what came says so. */
async function read(response: IncomingMessage, enough: (text: string) => boolean = () => false): Promise<{ text: string; events: Sent[] }> {
  let text = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    text += String(chunk)
    if (enough(text)) break
  }
  const blocks = text.split('\n\n').filter(block => block.includes('event: '))
  const events = blocks.map(block => {
    const fields = Object.fromEntries(
      block.split('\n').map(line => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
    )
    return { id: fields['id'], event: fields['event'] ?? '', data: JSON.parse(fields['data'] ?? '') as Sent['data'] }
  })
  return { text, events }
}

const fail = (key: string): void => fixture.runs.tell('run-1', { event: 'failure', data: { key, code: 'IMAGE_CORRUPT', reason: 'broken' } })

async function streams(metrics: Metrics): Promise<number | undefined> {
  return (await metrics.gauge('layermill_http_event_streams').get()).values[0]?.value
}

describe('events of a run', () => {
  it('come as they happen and end with the run', async () => {
    fixture.runs.setState('run-1', 'running')
    const response = await follow()
    expect(response.statusCode).toBe(200)
    expect(response.headers['content-type']).toBe('text/event-stream')
    expect(response.headers['cache-control']).toBe('no-store')
    const reading = read(response)
    await fixture.runs.until(() => fixture.runs.listeners === 1)
    fail('a.jpg')
    fixture.runs.tell('run-1', {
      event: 'progress',
      data: { counts: { images: 10, done: 3, failed: 1, parts: 2 }, partsDone: 0, imagesPerSecond: 5 },
    })
    fixture.runs.setState('run-1', 'done')
    const { events } = await reading
    expect(events.map(({ id, event }) => `${id} ${event}`)).toEqual(['1 state', '2 failure', '3 progress', '4 state'])
    expect(events.at(-1)?.data.state).toBe('done')
    expect(fixture.runs.listeners).toBe(0)
  })

  it('go on after the last event seen', async () => {
    for (const key of ['a', 'b', 'c']) fail(key)
    const reading = follow({ 'last-event-id': '2' }).then(response => read(response))
    fixture.runs.setState('run-1', 'failed')
    expect((await reading).events.map(({ id }) => id)).toEqual(['3', '4'])
  })

  it('of a run that has ended are told again, then 204 tells browsers not to ask any more', async () => {
    fixture.runs.setState('run-1', 'done')
    const response = await follow()
    expect((await read(response)).events.map(({ id }) => id)).toEqual(['1'])
    const again = await follow({ 'last-event-id': '1' })
    expect(again.statusCode).toBe(204)
    expect((await read(again)).text).toBe('')
  })

  it('have heartbeats in between', async () => {
    const { text } = await read(await follow(), all => (all.match(/^: heartbeat$/gm)?.length ?? 0) >= 3)
    expect(text).toMatch(/^retry: \d+\n\n/)
  })

  it('a client that goes leaves nothing behind', async () => {
    const [first, second] = await Promise.all([follow(), follow()])
    await fixture.runs.until(() => fixture.runs.listeners === 2)
    expect(await streams(fixture.metrics)).toBe(2)
    first.destroy()
    await fixture.runs.until(() => fixture.runs.listeners === 1)
    second.destroy()
    await fixture.runs.until(() => fixture.runs.listeners === 0)
    expect(await streams(fixture.metrics)).toBe(0)
  })

  it('have a limit of listeners', async () => {
    const open = await Promise.all([follow(), follow(), follow()])
    const refused = await follow()
    expect(refused.statusCode).toBe(503)
    refused.resume()
    for (const response of open) response.destroy()
    await fixture.runs.until(() => fixture.runs.listeners === 0)
    const next = await follow()
    expect(next.statusCode).toBe(200)
    next.destroy()
  })

  it('of no run are 404, and a source that breaks ends with a problem that tells nothing internal', async () => {
    const none = await follow({}, 'run-9')
    expect(none.statusCode).toBe(404)
    none.resume()
    const response = await follow()
    await fixture.runs.until(() => fixture.runs.listeners === 1)
    fixture.runs.failure = new Error('redis://user:hunter2@10.0.0.1')
    fail('a.jpg')
    const { events } = await read(response)
    expect(events.map(({ event }) => event)).toEqual(['failure', 'problem'])
    expect(events[1]?.data.code).toBe('INTERNAL')
    expect(JSON.stringify(events)).not.toContain('10.0.0.1')
    expect(fixture.log()).not.toContain('hunter2')
  })

  it('of one token leave room for others', async () => {
    const own = await startServer({ mostStreams: 3, mostStreamsOfOne: 1 })
    await own.runs.submit({ kind: 'extract', source: 'photos', model: 'resnet50', out: 'features' } as never)
    const ask = (scope: 'read' | 'admin'): Promise<Response> => fetch(`${own.url}/v1/runs/run-1/events`, { headers: bearer(scope) })
    const first = await ask('read')
    const second = await ask('read')
    expect([first.status, second.status]).toEqual([200, 503])
    expect(await second.json()).toMatchObject({ code: 'UNAVAILABLE', detail: expect.stringContaining('test-read') as string })
    const other = await ask('admin')
    expect(other.status).toBe(200)
    await Promise.all([first.body?.cancel(), other.body?.cancel()])
    await own.close()
  })

  it('end when the server closes', async () => {
    const response = await follow()
    const reading = read(response)
    await fixture.runs.until(() => fixture.runs.listeners === 1)
    await fixture.server.close()
    expect((await reading).text).toMatch(/^retry/)
    expect(fixture.runs.listeners).toBe(0)
  })

  it('a client that does not read holds back its own stream only', async () => {
    const slow = await follow()
    const fast = await follow()
    await fixture.runs.until(() => fixture.runs.listeners === 2)
    const reading = read(fast)
    for (let i = 0; i < 3000; i++)
      fixture.runs.tell('run-1', { event: 'failure', data: { key: `${i}`, code: 'IMAGE_CORRUPT', reason: 'x'.repeat(2000) } })
    fixture.runs.setState('run-1', 'done')
    const { events } = await reading
    expect(events.length).toBe(3001)
    expect((await fetch(`${fixture.url}/healthz`)).status).toBe(200)
    expect((await read(slow)).events.length).toBe(3001)
  })
})
