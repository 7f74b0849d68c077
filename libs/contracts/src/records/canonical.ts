/**
 * JSON of a value with the fields of every object in one order, so that equal values have equal text wherever they were kept: PostgreSQL
 * sorts fields.
 */
export function canonicalJson(value: unknown): string {
  const sorted = (_name: string, part: unknown): unknown =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  return JSON.stringify(value, sorted) ?? 'nothing'
}
