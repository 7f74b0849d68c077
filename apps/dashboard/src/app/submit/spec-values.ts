import type { FieldSchema } from './catalog.js'

export type Values = Readonly<Record<string, string>>

const has = (schema: FieldSchema, type: string): boolean => schema.type === type || (schema.anyOf ?? []).some(option => has(option, type))

export const isFlag = (schema: FieldSchema): boolean => schema.type === 'boolean'
export const isChoice = (schema: FieldSchema): boolean => schema.enum !== undefined

/** A field's text as what the spec wants there. Texts of flags stand for their values; what only takes numbers gets a number. */
function valueOf(text: string, schema: FieldSchema): unknown {
  if (isFlag(schema)) return text === 'true'
  if (has(schema, 'string')) return text
  const number = Number(text)
  if (has(schema, 'integer') || has(schema, 'number')) return Number.isFinite(number) ? number : text
  if (has(schema, 'array')) return text.split(',').map(part => part.trim()).filter(part => part !== '')
  return text
}

/** The form as a spec: fields that are left empty are left out, so that the server's defaults count. */
export function toSpec(kind: string, values: Values, properties: Readonly<Record<string, FieldSchema>>): Record<string, unknown> {
  const given = Object.entries(properties).filter(([name]) => name !== 'kind' && (values[name] ?? '').trim() !== '')
  return { kind, ...Object.fromEntries(given.map(([name, schema]) => [name, valueOf((values[name] ?? '').trim(), schema)])) }
}

const plain = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '')

/** A value of a spec as the text that stands for it. */
export function textOf(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(',')
  if (typeof value !== 'object' || value === null) return plain(value)
  const fields = value as Record<string, unknown>
  if (name === 'size') return `${plain(fields['width'])}x${plain(fields['height'])}`
  if (name === 'maxErrors' && typeof fields['share'] === 'number') return `${fields['share'] * 100}%`
  if (name === 'schedule') return [fields['kind'], fields['everyEpochs'], fields['factor'] ?? fields['floor']].map(plain).filter(part => part !== '').join(':')
  return ''
}

/** A field's default as a text, where it is a plain value. */
export const defaultOf = ({ default: value }: FieldSchema): string => plain(value)
