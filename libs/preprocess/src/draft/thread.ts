/**
 * Thread that decodes JPEGs at one of libjpeg's scales. The library decodes in the thread that calls it, so it has one of its own; it is
 * optional, and loaded by the first picture.
 */
import { parentPort } from 'node:worker_threads'
import { errorMessage } from '@layermill/core'
import type { DraftScale } from './scale.js'

export interface DraftRequest {
  /** A JPEG file whose frame header has sides that are multiples of the scale. */
  readonly bytes: Uint8Array
  readonly scale: DraftScale
}

/** Samples as the file has them: 1 channel of grey, 3 of RGB or 4 of CMYK. `missing`: the library is not installed. */
export type DraftAnswer =
  | { readonly width: number; readonly height: number; readonly channels: number; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly missing: boolean; readonly reason: string }

const port = parentPort!

async function load() {
  const { default: Vips } = await import('wasm-vips')
  // Warnings about damaged pictures would reach the terminal; the exact decoder says what is wrong with them.
  const vips = await Vips({ dynamicLibraries: [], print: () => undefined, printErr: () => undefined })
  vips.concurrency(1)
  vips.Cache.max(0)
  return vips
}

let library: ReturnType<typeof load> | undefined

async function answer({ bytes, scale }: DraftRequest): Promise<DraftAnswer> {
  let vips
  try {
    vips = await (library ??= load())
  } catch (error) {
    return { missing: (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND', reason: errorMessage(error) }
  }
  try {
    using image = vips.Image.jpegloadBuffer(bytes, { shrink: scale, fail_on: 'error' })
    const { width, height, bands } = image
    return { width, height, channels: bands, data: new Uint8Array(image.writeToMemory()) }
  } catch {
    // It throws an exception of WebAssembly, which says nothing.
    return { missing: false, reason: 'libjpeg reported an error' }
  }
}

port.on('message', (request: DraftRequest) => {
  void answer(request).then(result => port.postMessage(result, 'data' in result ? [result.data.buffer] : []))
})
