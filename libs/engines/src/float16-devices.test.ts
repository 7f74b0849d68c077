import { expect, it } from 'vitest'
import { requireFloat16 } from './float16-devices.js'

it('is for ONNX Runtime on GPUs', () => {
  for (const device of ['cuda', 'webgpu'] as const) expect(() => requireFloat16({ name: 'onnx', device })).not.toThrow()
  const refused = [
    ['onnx', 'cpu'],
    ['tfjs', 'cuda'],
    ['tfjs', 'cpu'],
    ['tfjs', 'cpu-portable'],
  ] as const
  for (const [name, device] of refused)
    expect(() => requireFloat16({ name, device })).toThrow(expect.objectContaining({ code: 'PRECISION_UNAVAILABLE' }))
})
