import { isDeepStrictEqual } from 'node:util'

/** Whether two values are the same JSON. Queues and stores may give the fields of an object back in another order. */
export function sameValue(one: unknown, other: unknown): boolean {
  const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))
  return isDeepStrictEqual(plain(one), plain(other))
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

/** A value as it would be typed for a flag: `64x64`, `res4,pool5`, `bicubic`. */
export function settingText(value: unknown, otherwise = 'nothing'): string {
  if (value === undefined || value === null || value === '') return otherwise
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(item => settingText(item)).join(',')
  if (typeof value === 'string') return value
  if (!isObject(value)) return JSON.stringify(value)
  const { width, height } = value
  if (typeof width === 'number' && typeof height === 'number') return `${width}x${height}`
  return Object.entries(value)
    .map(([name, item]) => `${name}=${settingText(item)}`)
    .join(',')
}

/** A field as its flag is written, without the dashes: `auto-orient`. */
const flagName = (field: string): string => field.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

/** How a setting differs, in words: `size was 64x64, is 224x224`. Hashes tell people nothing, so only that they differ is said. */
export function differenceText(field: string, before: unknown, now: unknown, otherwise = 'nothing'): string {
  if (isHash(before) && isHash(now)) return `${flagName(field)} are others than before`
  const text = (value: unknown): string => settingText(value, otherwise)
  // Numbers and texts that read the same are told apart by their kind.
  const same = text(before) === text(now)
  return `${flagName(field)} was ${same ? JSON.stringify(before) : text(before)}, is ${same ? JSON.stringify(now) : text(now)}`
}

/** Fields inside of others that are flags of their own. */
const innerFlags = new Set(['size', 'resample', 'autoOrient', 'oversample', 'decode'])

const isSize = (value: unknown): boolean => isObject(value) && 'width' in value && 'height' in value

/** Whether two values are settings with names each, not sizes. */
const areSettings = (one: unknown, other: unknown): boolean => isObject(one) && isObject(other) && !isSize(one) && !isSize(other)

/** How two records inside of the settings differ: by flag where a field is one, together for all others. */
function innerDifferences(field: string, before: Readonly<Record<string, unknown>>, now: Readonly<Record<string, unknown>>): string[] {
  const differing = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(name => !sameValue(before[name], now[name]))
  const others = differing.filter(name => !innerFlags.has(name) && !areSettings(before[name], now[name]))
  const pick = (values: Readonly<Record<string, unknown>>): object => Object.fromEntries(others.map(name => [name, values[name]]))
  return [
    ...differing
      .filter(name => innerFlags.has(name))
      .map(name => differenceText(name, before[name], now[name], name === 'decode' ? 'exact' : undefined)),
    ...(others.length === 0 ? [] : [differenceText(field, pick(before), pick(now))]),
    ...differing.flatMap(name => {
      const [one, other] = [before[name], now[name]]
      return isObject(one) && isObject(other) && areSettings(one, other) ? innerDifferences(field, one, other) : []
    }),
  ]
}

/** Names and values of what differs between two records of settings, as people read it; `free` are fields that may. */
export function differences(before: object, now: object, free: ReadonlySet<string> = new Set()): string[] {
  const values = (settings: object): Map<string, unknown> => new Map(Object.entries(settings))
  const [old, current] = [values(before), values(now)]
  return [...new Set([...old.keys(), ...current.keys()])]
    .filter(field => !free.has(field) && !sameValue(old.get(field), current.get(field)))
    .flatMap(field => {
      const [one, other] = [old.get(field), current.get(field)]
      return isObject(one) && isObject(other) && !isSize(one) && !isSize(other)
        ? innerDifferences(field, one, other)
        : [differenceText(field, one, other)]
    })
}
