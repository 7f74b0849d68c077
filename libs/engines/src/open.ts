import { availableParallelism } from 'node:os'
import { LayermillError } from '@layermill/models'
import type { Engine, EngineOptions } from './engine.js'
import { candidateDevices } from './gpu-presence.js'
import { OnnxEngine } from './onnx/engine.js'
import { ThreadClient } from './thread/client.js'

/**
 * Starts an engine in a thread of its own.
 * @throws LayermillError `DEVICE_UNAVAILABLE` with the reason; `ENGINE_UNKNOWN`; `ENGINE_FAILED` where the runtime does not load.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const { engine = 'onnx', device = 'cpu', threads = availableParallelism() } = options
  if (engine !== 'onnx') throw new LayermillError('ENGINE_UNKNOWN', `no engine is named '${engine}'; expected onnx`)
  if (!Number.isInteger(threads) || threads < 1) {
    throw new LayermillError('ENGINE_THREADS', `threads must be a whole number of at least 1, not ${threads}`)
  }
  const { candidates, report } = device === 'auto' ? await candidateDevices() : { candidates: [device], report: [] }
  const client = new ThreadClient()
  try {
    const opened = await client.request('open', { devices: candidates, threads })
    return new OnnxEngine(client, { ...opened, report: [...report, opened.report].join('; ') })
  } catch (error) {
    await client.close()
    throw error
  }
}
