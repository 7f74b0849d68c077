import { type ErrorCode, LayermillError } from '@layermill/core'
import type { z } from 'zod'

export interface JsonRecordOptions {
  /** The error's code. */
  readonly code: ErrorCode
  /** For messages: URL and path of the file. */
  readonly where: string
  /** Name of the whole, for errors of no single field. Default `record`. */
  readonly whole?: string
  /**
   * Refuses fields that the schema does not know, with `RECORD_NEWER`: who computes by a record must not leave out what a newer version
   * asks for. Otherwise they are dropped.
   */
  readonly strict?: boolean
}

/** The path of a field that a schema has dropped from a value, if there is any. */
function droppedField(value: unknown, kept: unknown, path: readonly string[] = []): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const known = typeof kept === 'object' && kept !== null ? new Map(Object.entries(kept)) : new Map<string, unknown>()
  for (const [name, item] of Object.entries(value)) {
    const at = [...path, name]
    if (!known.has(name)) return at.join('.')
    const found = droppedField(item, known.get(name), at)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Reads a JSON record that a store keeps.
 * @throws LayermillError with the given code, or `RECORD_NEWER`, naming file and field.
 */
export function parseJsonRecord<Schema extends z.ZodType>(
  schema: Schema,
  content: Uint8Array | string,
  options: JsonRecordOptions,
): z.output<Schema> {
  const { code, where, whole = 'record', strict = false } = options
  let value: unknown
  try {
    value = JSON.parse(typeof content === 'string' ? content : new TextDecoder().decode(content))
  } catch (cause) {
    throw new LayermillError(code, `${where} is not JSON`, { cause })
  }
  const result = schema.safeParse(value)
  if (result.success) {
    const field = strict ? droppedField(value, result.data) : undefined
    if (field === undefined) return result.data
    throw new LayermillError('RECORD_NEWER', `${where}: this version does not know the field ${field}`, {
      hint: 'a newer version wrote it: upgrade this worker',
    })
  }
  const issue = result.error.issues[0]!
  throw new LayermillError(code, `${where}: ${issue.path.join('.') || whole}: ${issue.message}`)
}

/** A record as text: indented, for people. */
export function serializeJsonRecord(record: object): string {
  return `${JSON.stringify(record, null, 2)}\n`
}
