import { describe, expect, it } from 'vitest'
import { ThreadClient } from './client.js'
import { EngineThreads } from './engine-threads.js'

/** A thread that answers everything, `open` as given. */
const thread = (open: string): ThreadClient =>
  new ThreadClient(
    'onnx',
    new URL(
      `data:text/javascript,${encodeURIComponent(`
  import { parentPort as port } from 'node:worker_threads'
  port.on('message', m => {
    port.postMessage(m.kind === 'open' ? { id: m.id, ...${open} } : { id: m.id, ok: true, result: undefined })
    if (m.kind === 'close') port.close()
  })`)}`,
    ),
  )

const ok = '{ ok: true, result: { device: "cpu", report: "", version: "" } }'
const request = { devices: ['cpu'], threads: 1 } as const

describe('EngineThreads', () => {
  it('ends what it started, and starts nothing more', async () => {
    const before = process.listenerCount('exit')
    const threads = new EngineThreads(thread(ok), () => thread(ok))
    const [one, two] = await Promise.all([threads.open(request), threads.open(request)])
    expect(process.listenerCount('exit')).toBe(before + 3)
    await one.close()
    await Promise.all([threads.close(), threads.close()])
    expect(process.listenerCount('exit')).toBe(before)
    await expect(two.request('release', { session: 0 })).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
    await expect(threads.open(request)).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  })

  it('ends a thread that does not open', async () => {
    const before = process.listenerCount('exit')
    const threads = new EngineThreads(thread(ok), () => thread('{ ok: false, error: { code: "DEVICE_UNAVAILABLE", message: "none" } }'))
    await expect(threads.open(request)).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE' })
    expect(process.listenerCount('exit')).toBe(before + 1)
    await threads.close()
  })
})
