import { errorMessage, LayermillError } from '@layermill/core'

/** A parsed JSON object whose fields are read with a check; faults name the place it came from. */
export class Fields {
  constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    private readonly where: string,
  ) {}

  static parse(text: string, where: string): Fields {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw new LayermillError('RECORD_INVALID', `${where}: not JSON: ${errorMessage(error)}`, { cause: error })
    }
    return Fields.of(value, where)
  }

  static of(value: unknown, where: string): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new LayermillError('RECORD_INVALID', `${where}: expected an object`)
    }
    return new Fields(value as Record<string, unknown>, where)
  }

  string(name: string): string {
    const value = this.values[name]
    return typeof value === 'string' ? value : this.fail(name, 'a string')
  }

  optionalString(name: string): string | undefined {
    return this.values[name] === undefined ? undefined : this.string(name)
  }

  /** A whole number of zero or more. */
  count(name: string): number {
    const value = this.values[name]
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail(name, 'a whole number of zero or more')
  }

  optionalCount(name: string): number | undefined {
    return this.values[name] === undefined ? undefined : this.count(name)
  }

  array(name: string): readonly unknown[] {
    const value = this.values[name]
    return Array.isArray(value) ? (value as unknown[]) : this.fail(name, 'an array')
  }

  optionalObject(name: string): Fields | undefined {
    const value = this.values[name]
    return value === undefined ? undefined : Fields.of(value, `${this.where}: ${name}`)
  }

  private fail(name: string, expected: string): never {
    throw new LayermillError('RECORD_INVALID', `${this.where}: expected ${name} to be ${expected}`)
  }
}

/** Rows of JSON, one a line, each ended by a newline. */
export function encodeLines(rows: Iterable<object>): string {
  let text = ''
  for (const row of rows) text += `${JSON.stringify(row)}\n`
  return text
}

/** Parses rows of JSON; faults, an unended last line among them, name the file and the line. */
export function parseLines<T>(bytes: Uint8Array | string, name: string, row: (fields: Fields) => T): T[] {
  const text = typeof bytes === 'string' ? bytes : new TextDecoder('utf-8').decode(bytes)
  if (text === '') return []
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new LayermillError('RECORD_INVALID', `${name}:${lines.length + 1}: the last line is cut off`)
  return lines.map((line, index) => row(Fields.parse(line, `${name}:${index + 1}`)))
}
