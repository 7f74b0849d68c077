import type { FieldSchema, FieldsSchema } from './catalog.js'

export type Values = Readonly<Record<string, string>>

const has = (schema: FieldSchema, type: string): boolean => schema.type === type || (schema.anyOf ?? []).some(option => has(option, type))

export const isFlag = (schema: FieldSchema): boolean => schema.type === 'boolean'
export const isChoice = (schema: FieldSchema): boolean => schema.enum !== undefined

/** JSON, where a text begins as an object does and the field takes one: what has no shorter text. */
function objectOf(text: string, schema: FieldSchema): unknown {
  if (!text.startsWith('{') || !has(schema, 'object')) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A field's text as what the spec wants there. Texts of flags stand for their values; what only takes numbers gets a number. */
function valueOf(text: string, schema: FieldSchema): unknown {
  if (isFlag(schema)) return text === 'true'
  const object = objectOf(text, schema)
  if (object !== undefined) return object
  if (has(schema, 'string')) return text
  const number = Number(text)
  if (has(schema, 'integer') || has(schema, 'number')) return Number.isFinite(number) ? number : text
  if (has(schema, 'array'))
    return text
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== '')
  return text
}

/** The form's fields as values: those that are left empty are left out, so that the server's defaults count. */
export function toFields(values: Values, properties: FieldsSchema['properties']): Record<string, unknown> {
  const given = Object.entries(properties).filter(([name]) => name !== 'kind' && (values[name] ?? '').trim() !== '')
  return Object.fromEntries(given.map(([name, schema]) => [name, valueOf((values[name] ?? '').trim(), schema)]))
}

/** The form as a spec. */
export function toSpec(kind: string, values: Values, properties: FieldsSchema['properties']): Record<string, unknown> {
  return { kind, ...toFields(values, properties) }
}

const plain = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''

function objectText(name: string, fields: Readonly<Record<string, unknown>>): string {
  if (name === 'size') return `${plain(fields['width'])}x${plain(fields['height'])}`
  if (name === 'schedule')
    return [fields['kind'], fields['everyEpochs'], fields['factor'] ?? fields['floor']]
      .map(plain)
      .filter(part => part !== '')
      .join(':')
  if (name === 'base')
    return Object.entries(fields)
      .map(([layer, scale]) => `${layer}=${plain(scale)}`)
      .join(',')
  return JSON.stringify(fields)
}

/** A value of a spec as the text that stands for it. */
export function textOf(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(',')
  if (typeof value !== 'object' || value === null) return plain(value)
  return objectText(name, value as Record<string, unknown>)
}

/** A field's default as a text, where it has one. */
export const defaultOf = ({ default: value }: FieldSchema, name = ''): string => textOf(name, value)

/** A spec with its defaults filled in as the texts of a form: what is the default stays empty. */
export function toValues(spec: Readonly<Record<string, unknown>>, properties: FieldsSchema['properties']): Values {
  return Object.fromEntries(
    Object.entries(spec).map(([name, value]) => {
      const text = textOf(name, value)
      const schema = properties[name]
      return [name, schema !== undefined && text === defaultOf(schema, name) ? '' : text]
    }),
  )
}
