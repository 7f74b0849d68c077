import { LayermillError } from '@layermill/core'
import type { Device, EngineName } from '@layermill/engines'

export const engines: readonly EngineName[] = ['onnx', 'tfjs']
export const devices: readonly (Device | 'auto')[] = ['auto', 'cpu', 'cuda', 'webgpu', 'cpu-portable']

/** The value of a flag among those that there are. @throws LayermillError `SPEC_INVALID` */
export function oneOf<Value extends string>(flag: string, text: string, values: readonly Value[]): Value {
  const found = values.find(value => value === text)
  if (found !== undefined) return found
  throw new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(text)}, expected one of ${values.join(', ')}`)
}
