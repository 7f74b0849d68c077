const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
const isMissing = (value: unknown): boolean => value === undefined || value === null || value === ''

/** A whole number of 64 bits; those that a double cannot hold by their digits. */
const wholeOf = (value: bigint): number | string => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value))

type Scalar = string | number | boolean

/** One cell as JSON holds it: a scalar, a list of scalars, or null where there is nothing. */
function cellOf(value: unknown): Scalar | readonly Scalar[] | null | undefined {
  if (isMissing(value)) return null
  if (typeof value === 'bigint') return wholeOf(value)
  if (isScalar(value)) return value
  if (!Array.isArray(value)) return undefined
  const items = value.map(item => (typeof item === 'bigint' ? wholeOf(item) : (item as unknown)))
  return items.every(isScalar) ? items : undefined
}

/**
 * Label that cells of a row give: of one column its text, a list as JSON; of several columns a JSON list of their values.
 * @returns undefined where all are empty; `invalid` where one is neither a scalar nor a list of scalars
 */
export function labelText(values: readonly unknown[]): { readonly text: string } | 'invalid' | undefined {
  const cells = values.map(cellOf)
  if (cells.includes(undefined)) return 'invalid'
  if (cells.every(cell => cell === null)) return undefined
  const [cell] = cells
  if (cells.length > 1) return { text: JSON.stringify(cells) }
  return { text: typeof cell === 'object' ? JSON.stringify(cell) : String(cell) }
}
