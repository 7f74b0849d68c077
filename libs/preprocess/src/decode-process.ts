import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import { configureDecoding } from './configure.js'
import { decodeHere, type DecodeLimits } from './decode-here.js'

/** First line of a process's answer: JSON. After it come the pixels of a picture. */
export type DecodeAnswer =
  | { readonly width: number; readonly height: number }
  | { readonly code: string; readonly message: string; readonly hint?: string }

async function readAll(): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  for await (const piece of process.stdin) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function write(data: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => process.stdout.write(data, error => (error ? reject(error) : resolve())))
}

/** A process that decodes the picture on its standard input, by the limits of its argument, and ends. */
async function main(): Promise<void> {
  const limits = JSON.parse(process.argv[2] ?? '') as DecodeLimits
  configureDecoding()
  try {
    const { width, height, data } = await decodeHere(await readAll(), limits)
    await write(`${JSON.stringify({ width, height } satisfies DecodeAnswer)}\n`)
    await write(data)
  } catch (error) {
    const hint = error instanceof LayermillError ? error.hint : undefined
    await write(`${JSON.stringify({ code: errorCode(error), message: errorMessage(error), hint } satisfies DecodeAnswer)}\n`)
  }
}

await main()
