import { errorMessage, LayermillError } from '@layermill/core'
import type { ErrorData } from './protocol.js'

/** A runtime's own words without the place in its sources that they begin with. */
export function runtimeMessage(error: unknown): string {
  const message = errorMessage(error).trim()
  return /was false\. ([\s\S]*)$/.exec(message)?.[1]?.trim() ?? message
}

/** Any thrown value as it crosses threads: what is no LayermillError came out of the runtime, whose name is given, and is
 * `ENGINE_FAILED`, or `PRECISION_UNAVAILABLE` where a device lacks float16. */
export function toErrorData(error: unknown, runtime: string): ErrorData {
  if (error instanceof LayermillError) return { code: error.code, message: error.message, hint: error.hint }
  const message = runtimeMessage(error)
  // WebGPU's own feature, which a device may lack: known only when the first shader is made.
  if (/requires f16 but the device does not support it/.test(message)) {
    return {
      code: 'PRECISION_UNAVAILABLE',
      message: "the graphics device does not compute in fp16 (WebGPU's shader-f16)",
      hint: 'leave out --precision',
    }
  }
  const hint = /alloc|out of memory/i.test(message) ? 'not enough memory: try a smaller --batch-size or smaller images' : undefined
  return { code: 'ENGINE_FAILED', message: `${runtime}: ${message}`, hint }
}
