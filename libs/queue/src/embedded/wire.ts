/** Parts of PostgreSQL's wire protocol (version 3) for the embedded server: cutting streams into messages, and a few replies. */

export interface Message {
  /** The type's letter. */
  readonly type: string
  /** The whole message: letter, length, body. */
  readonly bytes: Buffer
}

/** Cuts whole messages off the front of a stream; `rest` is what is not whole yet. */
export function splitMessages(stream: Buffer): { messages: Message[]; rest: Buffer } {
  const messages: Message[] = []
  let offset = 0
  while (stream.length - offset >= 5) {
    const end = offset + 1 + stream.readInt32BE(offset + 1)
    if (end > stream.length) break
    messages.push({ type: String.fromCharCode(stream[offset] ?? 0), bytes: stream.subarray(offset, end) })
    offset = end
  }
  return { messages, rest: stream.subarray(offset) }
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function int32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => bytes.writeInt32BE(value, i * 4))
  return bytes
}

const text = (...values: string[]): Buffer => Buffer.from(values.map(value => `${value}\0`).join(''))

/** Transaction status in ReadyForQuery: idle, in a transaction, in a failed one. */
export type Status = 'I' | 'T' | 'E'

export const readyForQuery = (status: Status): Buffer => message('Z', Buffer.from(status))
export const commandComplete = (tag: string): Buffer => message('C', text(tag))

/** A fatal error (SQLSTATE 57P01, as from a server that shuts down). */
export const fatalError = (reason: string): Buffer =>
  message('E', Buffer.concat([text('SFATAL', 'VFATAL', 'C57P01', `M${reason}`), Buffer.from([0])]))

/** Reply to a start-up message: accepted without a password, as trust authentication is. */
export function startupReply(processId: number, serverVersion: string): Buffer {
  const parameters = {
    server_version: serverVersion,
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
  }
  return Buffer.concat([
    message('R', int32(0)),
    ...Object.entries(parameters).map(([name, value]) => message('S', text(name, value))),
    message('K', int32(processId, 0)),
    readyForQuery('I'),
  ])
}

/** The text of a simple query without its comments, else undefined. */
export function simpleQuery(item: Message): string | undefined {
  if (item.type !== 'Q') return undefined
  return item.bytes
    .subarray(5, item.bytes.length - 1)
    .toString()
    .replaceAll(/--[^\n]*|\/\*[^]*?\*\//g, ' ')
    .trim()
}

/** The channel of a NotificationResponse. */
export function notificationChannel(bytes: Buffer): string {
  const end = bytes.indexOf(0, 9)
  return bytes.subarray(9, end).toString()
}

/** The status that the last ReadyForQuery of a reply tells; `I` where there is none. */
export function lastStatus(messages: readonly Message[]): Status {
  const ready = messages.findLast(item => item.type === 'Z')
  const letter = ready === undefined ? 'I' : String.fromCharCode(ready.bytes[5] ?? 73)
  return letter === 'T' || letter === 'E' ? letter : 'I'
}
