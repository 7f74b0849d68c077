import '../telemetry.js'
import * as ort from 'onnxruntime-node'
import { concatenate, LayermillError } from '@layermill/core'
import type { Device } from '../engine.js'
import { runtimeMessage } from '../thread/errors.js'
import type { OnnxGraph } from './graph.js'
import { modelProto } from './proto.js'

/** A graph that every device can run: enough to see that its libraries load and its driver answers. */
const probe: OnnxGraph = {
  name: 'probe',
  nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'] }],
  initializers: new Map([['w', { type: 'float32', shape: [1, 1, 1, 1], data: Float32Array.of(2) }]]),
  inputs: [{ name: 'x', shape: [1, 1, 1, 1] }],
  outputs: [{ name: 'y', shape: [1, 1, 1, 1] }],
}

/** Runs the probe on a device; throws what the runtime throws where the device is not there. */
async function tryDevice(device: Device): Promise<void> {
  const session = await ort.InferenceSession.create(concatenate(modelProto(probe)), { executionProviders: [device] })
  try {
    const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(3), [1, 1, 1, 1]) })
    if (y?.data[0] !== 6) throw new Error(`computed 2 * 3 = ${String(y?.data[0])}`)
  } finally {
    await session.release()
  }
}

/** Advice about a device that is missing. */
function adviceFor(devices: readonly Device[]): string {
  if (devices.includes('cuda'))
    return `npm install -g layermill onnxruntime-node@${ort.env.versions.node ?? ''} brings the CUDA provider, for CUDA 12 and cuDNN 9 (in a clone: npm run setup:cuda); or use --device cpu`
  if (devices.includes('webgpu')) return 'webgpu needs a driver for Vulkan, Metal or Direct3D 12; or use --device cpu'
  return 'docs/engines.md says what each device needs'
}

/**
 * The first of `devices` that works, and what became of each that was tried.
 * @throws LayermillError `DEVICE_UNAVAILABLE` with the reasons where none works.
 */
export async function selectDevice(devices: readonly Device[]): Promise<{ device: Device; report: string }> {
  const failures: string[] = []
  for (const device of devices) {
    try {
      await tryDevice(device)
      return { device, report: [...failures, `using ${device}`].join('; ') }
    } catch (error) {
      failures.push(`${device} is not available (${runtimeMessage(error)})`)
    }
  }
  throw new LayermillError('DEVICE_UNAVAILABLE', failures.join('; '), {
    hint: adviceFor(devices),
  })
}
