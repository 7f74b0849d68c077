import type { LayermillError } from '../errors/errors.js'
import { type RandomAccess, truncated } from '../files/random-access.js'

/** Wire types of protocol buffers. */
export const protobuf = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const
const { VARINT, FIXED64, BYTES, FIXED32 } = protobuf

const windowBytes = 64 * 1024
/** Longest varint, plus the longest fixed value: what one field's head can take. */
const head = 20

export interface ProtobufField {
  readonly number: number
  readonly wireType: number
  /** Of a varint; of others 0. */
  readonly value: number
  /** Start and end of the field's contents (BYTES, FIXED32, FIXED64) in the file. */
  readonly start: number
  readonly end: number
}

/**
 * Walks the fields of protocol-buffer messages in a file and reads only their heads: contents are given as ranges, so half a
 * gigabyte of numbers is passed over, not decoded. Nothing is kept but a window of 64 KiB.
 */
export class ProtobufReader {
  private readonly file: RandomAccess
  private window: Uint8Array = new Uint8Array(0)
  private windowStart = 0
  private position = 0

  /** @param refuse makes the error for a file that breaks the format's rules; it gets the reason. */
  constructor(
    file: RandomAccess,
    private readonly refuse: (reason: string) => LayermillError,
  ) {
    this.file = file
  }

  /** Fields of the message that lies in [start, end). Stopping early is allowed. */
  async *fields(start: number, end: number): AsyncGenerator<ProtobufField> {
    let position = start
    while (position < end) {
      const field = await this.field(position, end)
      yield field
      position = field.end
    }
  }

  malformed(what: string): LayermillError {
    return this.refuse(what)
  }

  /** The field that begins at `position`, in a message that ends at `end`. */
  async field(position: number, end: number): Promise<ProtobufField> {
    await this.load(position)
    this.position = position
    const tag = this.varint(end)
    const number = Math.floor(tag / 8)
    const wireType = tag % 8
    if (number === 0) throw this.malformed(`field number 0 at byte ${position}`)
    switch (wireType) {
      case VARINT: {
        const value = this.varint(end)
        return { number, wireType, value, start: position, end: this.position }
      }
      case FIXED64:
        return this.range(number, wireType, 8, end)
      case BYTES:
        return this.range(number, wireType, this.varint(end), end)
      case FIXED32:
        return this.range(number, wireType, 4, end)
      default:
        throw this.malformed(`wire type ${wireType} at byte ${position}`)
    }
  }

  private range(number: number, wireType: number, length: number, limit: number): ProtobufField {
    const start = this.position
    const end = start + length
    if (end > this.file.size) throw truncated(this.file, end)
    if (end > limit) throw this.malformed(`the field at byte ${start} is longer than its message`)
    return { number, wireType, value: 0, start, end }
  }

  /** Unsigned, as a double: exact below 2^53; a negative int64 becomes huge, which no size or count here may be. */
  private varint(end: number): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.position >= this.file.size) throw truncated(this.file, this.position + 1)
      if (this.position >= end) throw this.malformed(`a number at byte ${this.position} runs over the end of its message`)
      const byte = this.window[this.position - this.windowStart]!
      this.position++
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw this.malformed(`a number at byte ${this.position} is longer than ten bytes`)
  }

  /** Makes sure that the window covers `HEAD` bytes from `position`, as far as the file goes. */
  private async load(position: number): Promise<void> {
    const needed = Math.min(position + head, this.file.size)
    if (position >= this.windowStart && needed <= this.windowStart + this.window.length) return
    const window = new Uint8Array(Math.min(windowBytes, this.file.size - position))
    await this.file.read(position, window)
    this.window = window
    this.windowStart = position
  }
}
