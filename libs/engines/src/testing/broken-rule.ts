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
  const client = new ThreadClient('onnx', new URL(`data:text/javascript,${encodeURIComponent(`await import(${JSON.stringify(entry)})`)}`))
  try {
    return new ThreadEngine(client, { ...(await client.request('open', { devices: ['cpu'], threads: 2 })), name: 'onnx' })
  } catch (error) {
    await client.close()
    throw error
  }
}
