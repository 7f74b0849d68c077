import { LayermillError } from '@layermill/core'

/** `ONNX_INVALID`: the file breaks the format's rules. */
export function invalid(file: string, reason: string, hint?: string): LayermillError {
  return new LayermillError('ONNX_INVALID', `${file} is not a usable ONNX file: ${reason}`, hint === undefined ? {} : { hint })
}

/** `ONNX_UNSUPPORTED`: the file may be in order, and is not for this program. */
export function unsupported(file: string, reason: string, hint?: string): LayermillError {
  return new LayermillError('ONNX_UNSUPPORTED', `${file}: ${reason}`, hint === undefined ? {} : { hint })
}
