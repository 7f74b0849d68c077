import { LayermillError } from '@layermill/core'
import type { Engine } from './engine.js'

/** @throws LayermillError `PRECISION_UNAVAILABLE` where an engine's device does not compute in float16. */
export function requireFloat16({ name, device }: Pick<Engine, 'name' | 'device'>): void {
  if (name === 'onnx' && (device === 'cuda' || device === 'webgpu')) return
  throw new LayermillError(
    'PRECISION_UNAVAILABLE',
    `engine ${name} on ${device} does not compute in fp16; ONNX Runtime on cuda and webgpu does`,
    {
      hint: 'give --device cuda or webgpu, to workers of the fleet as well, or leave out --precision',
    },
  )
}
