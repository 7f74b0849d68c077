import type { Engine } from '../engine.js'
import { ThreadEngine } from '../onnx/engine.js'
import { ThreadClient } from '../thread/client.js'

/**
 * An ONNX engine on the CPU one of whose gradient rules is wrong, for showing that a test notices: what the rule of `op` passes on to the
 * values before it has the wrong sign (relu's: is what it should have cut off). Parameters' own gradients are right. Runs what was built.
 */
export async function openBrokenEngine(op: string): Promise<Engine> {
  // A thread's own URL loses its query.
  const entry = new URL(`./broken-thread.js?rule=${op}`, import.meta.url).href
  const module = new URL(`data:text/javascript,${encodeURIComponent(`await import(${JSON.stringify(entry)})`)}`)
  const startThread = (): ThreadClient => new ThreadClient('onnx', module)
  const client = startThread()
  const threads = 2
  try {
    return new ThreadEngine({
      ...(await client.request('open', { devices: ['cpu'], threads })),
      name: 'onnx',
      threads,
      client,
      startThread,
    })
  } catch (error) {
    await client.close()
    throw error
  }
}
