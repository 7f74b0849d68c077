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
 * Holds one of several parts out, each of about as many items of every class: the members of a class in the order of a hash of their keys,
 * dealt in turn. Over all parts each item is held out once. A class of one item is trained on in every part but one.
 * @param fold from 1
 * @throws LayermillError `VALIDATION_INVALID` for fewer than two parts, or a part that is none of them
 */
export function foldSplit<T extends Labelled>(items: readonly T[], { fold, of }: { readonly fold: number; readonly of: number }): Split<T> {
  if (!(of >= 2 && fold >= 1 && fold <= of)) throw new LayermillError('VALIDATION_INVALID', `part ${fold} of ${of}; expected 1/2 or more`)
  const classes = new Map<number, { item: T; hash: number }[]>()
  for (const item of items) {
    const members = classes.get(item.label)
    const found = { item, hash: hashText(item.key) }
    if (members === undefined) classes.set(item.label, [found])
    else members.push(found)
  }
  const held = new Set<T>()
  // The next class goes on where the last one ended, so that parts are of one size also where classes are small.
  let dealt = 0
  for (const label of [...classes.keys()].sort((a, b) => a - b)) {
    const order = classes.get(label)!.sort((a, b) => a.hash - b.hash || (a.item.key < b.item.key ? -1 : 1))
    for (const { item } of order) if (dealt++ % of === fold - 1) held.add(item)
  }
  return { training: items.filter(item => !held.has(item)), validation: items.filter(item => held.has(item)) }
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
