import { closest, type ErrorCode, LayermillError, redact } from '@layermill/core'
import type { z } from 'zod'

const most = 10

/** A value as a short piece of JSON, without credentials. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    text = undefined
  }
  const shown = redact((text ?? typeof value).slice(0, 10_000))
  return shown.length <= 80 ? shown : `${shown.slice(0, 77)}...`
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = Object.getOwnPropertyDescriptor(value, key)?.value
  }
  return value
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`)).join('')
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.startsWith('Invalid') ? issue.expected : issue.message
    case 'too_small':
      return issue.message.startsWith('Too small') ? `at least ${String(issue.minimum)}` : issue.message
    case 'too_big':
      return issue.message.startsWith('Too big') ? `at most ${String(issue.maximum)}` : issue.message
    case 'invalid_value':
      return issue.message.startsWith('Invalid') ? `one of ${issue.values.map(String).join(', ')}` : issue.message
    default:
      return issue.message
  }
}

function lines(issue: z.core.$ZodIssue, input: unknown, fields: readonly string[]): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => {
      const near = issue.path.length === 0 ? closest(key, fields) : undefined
      const where = pathText([...issue.path, key.slice(0, 80)])
      return near === undefined ? `${where}: unknown field` : `${where}: unknown field; did you mean ${near}?`
    })
  }
  const got = valueAt(input, issue.path)
  const near = issue.code === 'invalid_value' && typeof got === 'string' ? closest(got, issue.values.map(String)) : undefined
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  const name = issue.path.length === 0 ? '' : `${pathText(issue.path)}: `
  return [`${name}got ${show(got)}, expected ${redact(expectation(issue))}${hint}`]
}

export interface FormatOptions {
  /** The error's code. Default `SPEC_INVALID`. */
  code?: ErrorCode
  /** Known field names, to suggest one for an unknown key. */
  fields?: readonly string[]
}

/**
 * A zod error as one LayermillError: a line for each field (at most ten) with what was given, without credentials, and what was expected.
 * `input` is what was parsed; schemas' own messages are taken as the words after "expected".
 */
export function formatZodError(error: z.ZodError, input: unknown, options: FormatOptions = {}): LayermillError {
  const all = error.issues.flatMap(issue => lines(issue, input, options.fields ?? []))
  const shown = all.length > most ? [...all.slice(0, most), `and ${all.length - most} more`] : all
  return new LayermillError(options.code ?? 'SPEC_INVALID', shown.join('\n'))
}
