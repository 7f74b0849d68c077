import { configBeside } from './beside.js'
import { metadataKeys } from './metadata.js'
import type { TensorFile } from './types.js'

const maxName = 200
/** Texts in which files carry names of classes. */
const keys = [metadataKeys.labels, 'labels', 'classes', 'class_names', 'id2label', 'label_names']

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** `["cat", "dog"]`, `{"0": "cat", "1": "dog"}` or `{"cat": 0, "dog": 1}` as a list; undefined for anything else. */
export function classNamesFrom(value: unknown): string[] | undefined {
  if (isObject(value)) {
    const pairs = Object.entries(value)
    const byName = pairs.every(([, index]) => typeof index === 'number')
    const names: unknown[] = []
    for (const [key, other] of pairs) names[Number(byName ? other : key)] = byName ? key : other
    return names.length === pairs.length ? classNamesFrom(names) : undefined
  }
  if (!Array.isArray(value) || value.length === 0) return undefined
  const list: readonly unknown[] = value
  return Array.from(list).every((name): name is string => typeof name === 'string' && name.length > 0 && name.length <= maxName)
    ? [...(list as string[])]
    : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Names of transformers (`id2label`) or timm (`label_names`) beside the file. */
async function besideFile(file: TensorFile): Promise<string[] | undefined> {
  const value = await configBeside(file)
  if (value === undefined) return undefined
  const names = classNamesFrom(value['id2label']) ?? classNamesFrom(value['label_names'])
  // transformers writes `LABEL_N` for classes that nobody named: those count as no names.
  return names?.every((name, i) => name === `LABEL_${i}`) === true ? undefined : names
}

/** Names of the classes that a file's texts or the description beside it give; undefined where they are not of `count` classes. */
export async function classNamesOf(file: TensorFile, count: number): Promise<string[] | undefined> {
  for (const key of keys) {
    const text = file.metadata.get(key)
    const names = text === undefined ? undefined : classNamesFrom(parsed(text))
    if (names?.length === count) return names
  }
  const names = await besideFile(file)
  return names?.length === count ? names : undefined
}
