import { isDeepStrictEqual } from 'node:util'

/** Whether two values are the same JSON. Queues and stores may give the fields of an object back in another order. */
export function sameValue(one: unknown, other: unknown): boolean {
  const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))
  return isDeepStrictEqual(plain(one), plain(other))
}

/** Names and values of what differs between two records of settings, one level deep, as people read it; `free` are fields that may. */
export function differences(before: object, now: object, free: ReadonlySet<string> = new Set()): string[] {
  const values = (settings: object): Map<string, unknown> => new Map(Object.entries(settings))
  const [old, current] = [values(before), values(now)]
  const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing'
  return [...new Set([...old.keys(), ...current.keys()])]
    .filter(field => !free.has(field) && !sameValue(old.get(field), current.get(field)))
    .map(field => `${field} was ${show(old.get(field))}, is ${show(current.get(field))}`)
}
