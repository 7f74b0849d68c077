import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { LayermillError, receivedCode } from '@layermill/core'
import { tooSlow } from './decode-with-sharp.js'
import type { DecodeLimits } from './decode-here.js'
import type { DecodeAnswer } from './decode-process.js'
import type { RgbImage } from './image.js'

/** Found through the package's exports, so that sources run by a test runner start the built process too. */
function decodeProcess(): string {
  return createRequire(import.meta.url).resolve('@layermill/preprocess/decode-process')
}

/** Environment that the decoder gets to see: the places of its libraries, nothing that is secret. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, SystemRoot } = process.env
  return { PATH, LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, SystemRoot }
}

/** Gathers an answer: a line of JSON, then the pixels, in memory that is allocated once. */
class AnswerReader {
  private line = Buffer.alloc(0)
  private answer: DecodeAnswer | undefined
  private pixels = new Uint8Array()
  private filled = 0

  push(piece: Buffer): void {
    if (this.answer !== undefined) return this.fill(piece)
    this.line = Buffer.concat([this.line, piece])
    const end = this.line.indexOf(0x0a)
    if (end < 0) return
    this.answer = JSON.parse(this.line.toString('utf8', 0, end)) as DecodeAnswer
    if ('width' in this.answer) this.pixels = new Uint8Array(this.answer.width * this.answer.height * 3)
    this.fill(this.line.subarray(end + 1))
  }

  /** The picture, once the process has ended. @throws LayermillError what the process reported, or that it broke down */
  result(ending: string): RgbImage {
    const { answer } = this
    if (answer === undefined || ('width' in answer && this.filled !== this.pixels.length)) {
      throw new LayermillError('IMAGE_CORRUPT', `the picture ended its decoder (${ending})`)
    }
    if ('code' in answer) throw new LayermillError(receivedCode(answer.code), answer.message, { hint: answer.hint })
    return { width: answer.width, height: answer.height, data: this.pixels }
  }

  private fill(piece: Buffer): void {
    this.pixels.set(piece.subarray(0, this.pixels.length - this.filled), this.filled)
    this.filled += piece.length
  }
}

/**
 * Decodes a picture in a process of its own, which is ended at the deadline: no thread of this one is lost to a decoder that cannot be
 * stopped.
 * @throws LayermillError as `decodeImage`; IMAGE_CORRUPT where the decoder broke down
 */
export async function decodeElsewhere(bytes: Uint8Array, limits: DecodeLimits): Promise<RgbImage> {
  const child = spawn(process.execPath, [decodeProcess(), JSON.stringify(limits)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: environment(),
  })
  const reader = new AnswerReader()
  let late = false
  // The process keeps to the deadline itself where it can; it has the time to start, and then some, to say so.
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, limits.timeoutMs)
  try {
    const ending = await new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
      child.stdout.on('data', (piece: Buffer) => reader.push(piece))
      // A decoder that has seen enough closes its input; its answer says why.
      child.stdin.on('error', () => undefined)
      child.stdin.end(bytes)
    })
    if (late) throw tooSlow(limits.timeoutMs)
    return reader.result(ending)
  } finally {
    clearTimeout(timer)
  }
}
