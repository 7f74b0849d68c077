/** Which TensorFlow.js there is, and loading it. */
import { createRequire } from 'node:module'
import * as tf from '@tensorflow/tfjs-core'
import { errorMessage, LayermillError } from '@layermill/core'
import type { Device } from '../engine.js'

/** Installs a native package, which downloads TensorFlow; named wherever none works. In a clone it is `npm run setup:tfjs`. */
const installCommand = (gpu: boolean): string =>
  `npm install -g layermill @tensorflow/tfjs-node${gpu ? '-gpu' : ''}@4.22.0 @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-layers@4.22.0 --ignore-scripts=false`

const require = createRequire(import.meta.url)

/** Facts that the native packages' backend gives about itself. */
interface NativeBackend {
  readonly isUsingGpuDevice?: boolean
}

/**
 * tfjs-node 4 calls two functions that Node.js 23 took out of `util`, and that earlier versions warn of. They are put back in this
 * thread's `util` only.
 */
export function patchUtil(util: Record<string, unknown> = require('node:util') as Record<string, unknown>): void {
  util['isNullOrUndefined'] = (value: unknown): boolean => value === null || value === undefined
  util['isArray'] = (value: unknown): boolean => Array.isArray(value)
}

/** Loads a native package, which registers itself as the backend and the gradients of all kernels. */
function loadNative(name: string): void {
  patchUtil()
  try {
    require(name)
  } catch (error) {
    const message = errorMessage(error).split('\n')[0]!.trim()
    const missing = (error as { code?: unknown }).code === 'MODULE_NOT_FOUND' && message.includes(`'${name}'`)
    throw new Error(missing ? `${name} is not installed` : `${name} does not load: ${message}`, { cause: error })
  }
}

const nativeBackend = (): NativeBackend => tf.backend() as NativeBackend

/** Makes a device's backend the current one; returns what it is. */
type Opener = () => Promise<string>

const openers: Readonly<Partial<Record<Device, Opener>>> = {
  cuda: async () => {
    loadNative('@tensorflow/tfjs-node-gpu')
    if (nativeBackend().isUsingGpuDevice === true) return 'tfjs-node-gpu'
    throw new Error('tfjs-node-gpu sees no GPU; it needs an NVIDIA driver, CUDA 11 and cuDNN 8')
  },
  cpu: async () => {
    // Two copies of TensorFlow do not live in one process; the one for GPUs computes on the CPU where it sees none.
    if (tf.getBackend() === 'tensorflow') return 'tfjs-node-gpu without a GPU'
    loadNative('@tensorflow/tfjs-node')
    return 'tfjs-node'
  },
  'cpu-portable': async () => {
    await import('@tensorflow/tfjs-backend-cpu')
    // Gradients are not part of the core package's entry; this package brings them and registers them for all copies of the core.
    await import('@tensorflow/tfjs-layers')
    await tf.setBackend('cpu')
    return 'tfjs-backend-cpu, in JavaScript and slow'
  },
}

/** Enough to see that the backend computes. */
function probe(): void {
  const [result] = tf.tidy(() => tf.conv2d(tf.tensor4d([3], [1, 1, 1, 1]), tf.tensor4d([2], [1, 1, 1, 1]), 1, 'valid').dataSync())
  if (result !== 6) throw new Error(`computed 2 * 3 = ${String(result)}`)
}

/**
 * The first of `devices` that works, and what became of each that was tried.
 * @throws LayermillError `DEVICE_UNAVAILABLE` with the reasons, and the command that installs what is missing, where none works.
 */
export async function selectBackend(devices: readonly Device[]): Promise<{ device: Device; report: string; version: string }> {
  // Leaves out the advice that the portable backend prints, and checks of every value.
  tf.enableProdMode()
  const failures: string[] = []
  for (const device of devices) {
    try {
      const what = await openers[device]?.()
      if (what === undefined) throw new Error('TensorFlow.js does not have it')
      probe()
      return { device, report: [...failures, `using ${device} (${what})`].join('; '), version: `tfjs ${tf.version_core}` }
    } catch (error) {
      failures.push(`${device} is not available (${errorMessage(error)})`)
    }
  }
  // In the message, since a queue carries no hints.
  const install = `${installCommand(devices.includes('cuda'))} brings TensorFlow (in a clone: npm run setup:tfjs)`
  throw new LayermillError('DEVICE_UNAVAILABLE', `engine tfjs: ${failures.join('; ')}: ${install}`, { hint: 'or use --engine onnx' })
}
