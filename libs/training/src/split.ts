import { LayermillError } from '@layermill/core'
import { hashText } from './random.js'

/** A labelled image. */
export interface Labelled {
  readonly key: string
  readonly label: number
}

export interface Split<T> {
  readonly training: T[]
  readonly validation: T[]
}

/**
 * Splits by a hash of the key, so that an image stays on its side when others come or go. A share `fraction` of every class is meant
 * for validation; the real share varies as a draw would. A class of two or more keeps at least one image on each side: the nearest
 * to the border changes sides, which is also decided by the class's own keys only.
 * @throws LayermillError `VALIDATION_INVALID` for a fraction outside [0, 1).
 */
export function stratifiedSplit<T extends Labelled>(items: readonly T[], fraction: number, seed = 0): Split<T> {
  if (!(fraction >= 0 && fraction < 1))
    throw new LayermillError('VALIDATION_INVALID', `a validation share of ${fraction}; expected 0 <= share < 1`)
  if (fraction === 0) return { training: [...items], validation: [] }
  const border = fraction * 4294967296
  const classes = new Map<number, { item: T; hash: number }[]>()
  for (const item of items) {
    const members = classes.get(item.label) ?? []
    if (members.length === 0) classes.set(item.label, members)
    members.push({ item, hash: hashText(item.key, seed) })
  }
  const chosen = new Set<T>()
  for (const members of classes.values()) {
    const inside = members.filter(({ hash }) => hash < border)
    const extreme = (pick: (a: number, b: number) => boolean): T =>
      members.reduce((best, member) => (pick(member.hash, best.hash) ? member : best)).item
    for (const { item } of inside) chosen.add(item)
    if (members.length < 2) for (const { item } of members) chosen.delete(item)
    else if (inside.length === 0) chosen.add(extreme((a, b) => a < b))
    else if (inside.length === members.length) chosen.delete(extreme((a, b) => a > b))
  }
  return { training: items.filter(item => !chosen.has(item)), validation: items.filter(item => chosen.has(item)) }
}
