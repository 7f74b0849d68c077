import { basename } from 'node:path'
import type { RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { decodeTable, type Store } from '@layermill/storage'
import { parseCsv } from './csv.js'

/** A finding of an audit, or an image of a plain list. */
export interface AuditedImage {
  readonly key: string
  /** `exact-duplicate`, `near-duplicate`, `label`, `outlier`, ...; undefined in a list of keys alone. */
  readonly finding: string | undefined
  readonly score: number
  readonly group: string
  /** Likeliest class of a suspect label. */
  readonly detail: string
  /** Left out where nobody has looked at it. */
  readonly verdict: 'confirmed' | 'dismissed' | undefined
}

const invalid = (place: string, what: string, hint?: string): LayermillError =>
  new LayermillError('LIST_INVALID', `${place}: ${what}`, hint === undefined ? {} : { hint })

/**
 * Reads an `audit.csv`, or any .csv or .parquet with a column `key`. A column `verdict` may say `confirmed` or `dismissed`.
 * @throws LayermillError `FILE_MISSING`, `LIST_INVALID` with the line; as the store does
 */
export async function readAudited(place: string, openStore: (url: string) => Promise<Store>): Promise<AuditedImage[]> {
  const name = basename(place)
  await using store = await openStore(place.slice(0, -name.length))
  const bytes = await store.get(name)
  if (bytes === undefined) throw new LayermillError('FILE_MISSING', `${place} is not there`)
  const isParquet = /\.parquet$/i.test(name)
  const [header = [], ...rows] = isParquet
    ? await decodeTable(bytes, place)
    : parseCsv(new TextDecoder().decode(bytes).replace(/^\uFEFF/, ''))
  const names = header.map(column => column.trim().toLowerCase())
  const at = (column: string): number => names.indexOf(column)
  if (at('key') < 0) throw invalid(place, `no column named key in the header (found: ${header.join(', ')})`)
  return rows.map((row, i): AuditedImage => {
    const cell = (column: string): string => row[at(column)]?.trim() ?? ''
    const [verdict, score] = [cell('verdict').toLowerCase(), Number(cell('score') || 0)]
    const known = verdict === 'confirmed' || verdict === 'dismissed' ? verdict : undefined
    if (verdict !== '' && known === undefined)
      throw invalid(`${place}:${i + 2}`, `the verdict is ${verdict}, expected confirmed or dismissed`)
    // Spaces are part of a key where an audit wrote it.
    const key = at('finding') < 0 ? cell('key') : (row[at('key')] ?? '')
    if (key === '' || !Number.isFinite(score)) throw invalid(`${place}:${i + 2}`, 'expected a key and a number as the score')
    const finding = cell('finding') === '' ? undefined : cell('finding')
    return { key, finding, score, group: cell('group'), detail: cell('detail'), verdict: known }
  })
}

/** Suspect labels, the confirmed ones first, then from the worst on; at most so many of those that nobody has looked at. */
function suspects(images: readonly AuditedImage[], worst: number | undefined, place: string): AuditedImage[] {
  const labels = images.filter(({ finding, verdict }) => finding === 'label' && verdict !== 'dismissed')
  const confirmed = labels.filter(({ verdict }) => verdict === 'confirmed')
  const open = labels.filter(({ verdict }) => verdict === undefined).toSorted((a, b) => a.score - b.score)
  if (worst === undefined && open.length > 0) {
    throw new LayermillError('SPEC_INVALID', `worst: got nothing, expected a number: ${place} has ${open.length} suspect labels`, {
      hint: 'Such a list is never right throughout: --worst 100 takes the hundred worst, --worst 0 only those with the verdict confirmed.',
    })
  }
  return [...confirmed, ...open.slice(0, worst)]
}

const isDuplicate = ({ finding, verdict }: AuditedImage): boolean =>
  (finding === 'exact-duplicate' || finding === 'near-duplicate') && verdict !== 'dismissed'

/**
 * Keys that an audit says to leave out: the worst suspect labels, all but the first image of each group of duplicates, leaks, and what was
 * confirmed; of a list without findings, all.
 * @param worst suspect labels to take of those that nobody has looked at
 * @throws LayermillError `SPEC_INVALID` where there are such and no number is given
 */
export function keysWithout(images: readonly AuditedImage[], worst: number | undefined, place: string): Set<string> {
  const seen = new Set<string>()
  const duplicates = images.filter(isDuplicate).filter(({ finding, group }) => {
    const id = `${finding} ${group}`
    const first = !seen.has(id)
    seen.add(id)
    return !first
  })
  const others = images.filter(
    ({ finding, verdict }) =>
      (finding === undefined || finding === 'leak' || (finding !== 'label' && verdict === 'confirmed')) && verdict !== 'dismissed',
  )
  const firsts = new Set(images.filter(isDuplicate).map(({ key }) => key))
  for (const { key } of duplicates) firsts.delete(key)
  const taken = [
    ...suspects(images, worst, place),
    ...duplicates,
    ...others.filter(({ key, finding }) => finding === undefined || finding === 'leak' || !firsts.has(key)),
  ]
  return new Set(taken.map(({ key }) => key))
}

/**
 * Keys that a run's spec leaves out; undefined where it names no audit.
 * @throws LayermillError as `readAudited` and `keysWithout` do
 */
export async function keysLeftOut(
  { spec }: Pick<RunRecord, 'spec'>,
  openStore: (url: string) => Promise<Store>,
): Promise<Set<string> | undefined> {
  if (spec.without === undefined) return undefined
  return keysWithout(await readAudited(spec.without, openStore), spec.worst, spec.without)
}

/**
 * New labels that an audit says images should have: the likeliest class of each suspect label that is taken.
 * @throws LayermillError `SPEC_INVALID` as `keysWithout`; `LIST_INVALID` for a suspect label without another
 */
export function newLabels(images: readonly AuditedImage[], worst: number | undefined, place: string): Map<string, string> {
  const taken = suspects(images, worst, place)
  const none = taken.find(({ detail }) => detail === '')
  if (none !== undefined) throw invalid(place, `${none.key} has no class in the column detail`)
  return new Map(taken.map(({ key, detail }) => [key, detail]))
}
