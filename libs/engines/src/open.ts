import { computeThreads, LayermillError } from '@layermill/core'
import type { Device, Engine, EngineName, EngineOptions } from './engine.js'
import { candidateDevices } from './gpu-presence.js'
import { ThreadEngine } from './onnx/engine.js'
import { ThreadClient } from './thread/client.js'

/** Devices that each engine runs on. */
const devicesOf: Readonly<Record<EngineName, readonly Device[]>> = {
  onnx: ['cuda', 'webgpu', 'cpu'],
  tfjs: ['cuda', 'cpu', 'cpu-portable'],
}

/** The devices to try, best first, and why others are not among them. */
async function devicesToTry(engine: EngineName, device: Device | 'auto'): Promise<{ candidates: Device[]; report: string[] }> {
  const known = devicesOf[engine]
  if (device === 'auto') {
    const { candidates, report } = await candidateDevices()
    const possible = report.filter(line => known.includes('webgpu') || !line.includes('webgpu'))
    return { candidates: candidates.filter(name => known.includes(name)), report: possible }
  }
  if (known.includes(device)) return { candidates: [device], report: [] }
  throw new LayermillError('DEVICE_UNAVAILABLE', `engine ${engine} has no device ${device}; expected auto, ${known.join(', ')}`, {
    hint: device === 'cpu-portable' ? 'give --engine tfjs as well' : undefined,
  })
}

/**
 * From Ampere on, NVIDIA's libraries round the factors of float32 products to 10 bits of mantissa (TF32), unless the process's environment
 * says otherwise when they load. A choice that somebody made stays.
 */
function keepFloat32(devices: readonly Device[]): void {
  if (devices.includes('cuda')) process.env['NVIDIA_TF32_OVERRIDE'] ??= '0'
}

/**
 * Starts an engine in a thread of its own.
 * @throws LayermillError `DEVICE_UNAVAILABLE` with the reason; `ENGINE_UNKNOWN`; `ENGINE_FAILED` where the runtime does not load.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const { engine = 'onnx', device = 'cpu', threads = computeThreads() } = options
  if (!Object.hasOwn(devicesOf, engine))
    throw new LayermillError('ENGINE_UNKNOWN', `no engine is named '${String(engine)}'; expected onnx or tfjs`)
  if (!Number.isInteger(threads) || threads < 1) {
    throw new LayermillError('ENGINE_THREADS', `threads must be a whole number of at least 1, not ${threads}`)
  }
  const { candidates, report } = await devicesToTry(engine, device)
  keepFloat32(candidates)
  const startThread = (): ThreadClient => new ThreadClient(engine)
  const client = startThread()
  try {
    const opened = await client.request('open', { devices: candidates, threads })
    return new ThreadEngine({ ...opened, name: engine, report: [...report, opened.report].join('; '), threads, client, startThread })
  } catch (error) {
    await client.close()
    throw error
  }
}
