import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'
import { TruncatedBody } from './retry.js'

/** The stream of an object's bytes. Whoever takes it must read it to its end or destroy it: an open one holds a socket. */
export function bodyStream(output: GetObjectCommandOutput): Readable {
  if (output.Body instanceof Readable) return output.Body
  throw new TruncatedBody('no body came')
}

/** All bytes of an answer, in one allocation; throws `TruncatedBody` where they end early, are too many, or stop coming for `idleMs`. */
export async function readBody(output: GetObjectCommandOutput, idleMs: number): Promise<Uint8Array> {
  const stream = bodyStream(output)
  const length = output.ContentLength ?? 0
  const bytes = new Uint8Array(new ArrayBuffer(length))
  let filled = 0
  let idle = armTimer(stream, idleMs)
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      clearTimeout(idle)
      if (filled + chunk.byteLength > length) throw new TruncatedBody(`more than the announced ${length} bytes came`)
      bytes.set(chunk, filled)
      filled += chunk.byteLength
      idle = armTimer(stream, idleMs)
    }
  } finally {
    clearTimeout(idle)
    stream.destroy()
  }
  if (filled !== length) throw new TruncatedBody(`${filled} of ${length} bytes came`)
  return bytes
}

function armTimer(stream: Readable, idleMs: number): NodeJS.Timeout {
  return setTimeout(() => stream.destroy(new TruncatedBody(`nothing came for ${idleMs} ms`)), idleMs)
}
