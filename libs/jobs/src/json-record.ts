import { LayermillError } from '@layermill/models'
import type { z } from 'zod'

export interface JsonRecordOptions {
  /** The error's code. */
  readonly code: string
  /** For messages: URL and path of the file. */
  readonly where: string
  /** What the whole is called where no field of it is to blame. Default `record`. */
  readonly whole?: string
}

/**
 * Reads a JSON record that a store keeps.
 * @throws LayermillError with the given code, naming file and field.
 */
export function parseJsonRecord<Schema extends z.ZodType>(schema: Schema, content: Uint8Array | string, options: JsonRecordOptions): z.output<Schema> {
  const { code, where, whole = 'record' } = options
  let value: unknown
  try {
    value = JSON.parse(typeof content === 'string' ? content : new TextDecoder().decode(content))
  } catch (cause) {
    throw new LayermillError(code, `${where} is not JSON`, { cause })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw new LayermillError(code, `${where}: ${issue.path.join('.') || whole}: ${issue.message}`)
}

/** A record as text: indented, for people. */
export function serializeJsonRecord(record: object): string {
  return `${JSON.stringify(record, null, 2)}\n`
}
