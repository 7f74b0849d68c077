import { describe, expect, it } from 'vitest'
import { ThreadClient } from './client.js'

/** A thread of this body, run for each request `m`. */
const thread = (body: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`
    import { parentPort as port } from 'node:worker_threads'
    port.on('message', m => { ${body} })`)}`,
  )

const answer = "port.postMessage({ id: m.id, ok: true, result: undefined }); if (m.kind === 'close') port.close()"
const release = (client: ThreadClient, session: number) => client.request('release', { session })

describe('ThreadClient', () => {
  it('pairs answers with requests, whatever their order', async () => {
    const client = new ThreadClient(
      'onnx',
      thread(`
      globalThis.held ??= []
      if (m.kind === 'close') { port.postMessage({ id: m.id, ok: true }); port.close(); return }
      held.push(m)
      if (held.length === 3) for (const h of held.reverse()) port.postMessage({ id: h.id, ok: true, result: { session: h.params.session } })`),
    )
    const answers = await Promise.all([7, 8, 9].map(session => release(client, session)))
    expect(answers).toEqual([{ session: 7 }, { session: 8 }, { session: 9 }])
    await client.close()
  })

  it('rejects all that is pending, and all that comes later, when the thread crashes', async () => {
    const client = new ThreadClient('onnx', thread("if (m.params.session === 2) throw new Error('boom')"))
    const pending = [1, 2, 3].map(session => release(client, session))
    for (const request of pending) {
      await expect(request).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: expect.stringContaining('boom') as string })
    }
    await expect(release(client, 4)).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
    await client.close()
  })

  it('rejects what is pending when the thread ends without an answer', async () => {
    const client = new ThreadClient('onnx', thread('process.exit(3)'))
    await expect(release(client, 1)).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: expect.stringContaining('code 3') as string })
    await client.close()
  })

  it('leaves no listener on the process behind', async () => {
    const before = process.listenerCount('exit')
    const client = new ThreadClient('onnx', thread(answer))
    expect(process.listenerCount('exit')).toBe(before + 1)
    await client.close()
    expect(process.listenerCount('exit')).toBe(before)
  })

  it('passes on code, message and hint of errors', async () => {
    const error = "{ code: 'INPUT_SIZE', message: 'too small', hint: 'grow' }"
    const client = new ThreadClient(
      'onnx',
      thread(`if (m.kind !== 'close') port.postMessage({ id: m.id, ok: false, error: ${error} }); else { ${answer} }`),
    )
    await expect(release(client, 1)).rejects.toMatchObject({ code: 'INPUT_SIZE', message: 'too small', hint: 'grow' })
    await client.close()
  })
})
