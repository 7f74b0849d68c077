import { clusterTree, leavesOf, type Tree } from '@layermill/analysis'
import { comparisonPath, pairNumberOf, pairNumbers, type RunComparison } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import * as z from 'zod'

/** Larger files are not read to be looked at: more than a hundred thousand pairs. */
const largestFile = 32 * 1024 * 1024
/** Most sets of which a matrix is shown. */
const mostSets = 300

/** As much of compare.json as is shown. */
const Written = z.object({
  sets: z.array(z.object({ name: z.string(), rows: z.int(), columns: z.int() })).max(mostSets),
  pairs: z.array(z.looseObject({ a: z.string(), b: z.string() })),
})

/** Joins of a tree, each after those of its branches. */
function joinsOf(tree: Tree, order: readonly number[]): RunComparison['joins'] {
  const joins: RunComparison['joins'] = []
  const place = (node: Tree): { readonly at: number; readonly distance: number } => {
    if ('leaf' in node) return { at: order.indexOf(node.leaf), distance: 0 }
    const [left, right] = [place(node.left), place(node.right)]
    const distance = Math.max(0, node.distance)
    joins.push({ leaves: [left.at, right.at], from: [left.distance, right.distance], distance })
    return { at: (left.at + right.at) / 2, distance }
  }
  place(tree)
  return joins
}

/**
 * The comparison in a run's folder.
 * @throws LayermillError `NOT_RECORDED` where there is none, or one that cannot be shown
 */
export async function readComparison(store: Store): Promise<RunComparison> {
  const entry = await store.stat(comparisonPath)
  const none = (what: string): LayermillError => new LayermillError('NOT_RECORDED', `${store.url}: ${what}`)
  if (entry === undefined) throw none('no comparison of these features is there')
  if (entry.bytes > largestFile) throw none(`${comparisonPath} is larger than ${largestFile / 2 ** 20} MiB, too large to look at`)
  let written: z.output<typeof Written>
  try {
    written = Written.parse(JSON.parse(new TextDecoder().decode(await store.get(comparisonPath))))
  } catch {
    throw none(`${comparisonPath} is no comparison of up to ${mostSets} sets`)
  }
  const { sets, pairs } = written
  const place = new Map(sets.map(({ name }, i) => [name, i]))
  const measures = pairNumbers.flatMap(({ name, title, path }) => {
    const values: (number | null)[][] = sets.map(() => sets.map(() => null))
    let isThere = false
    for (const pair of pairs) {
      const [a, b, value] = [place.get(pair.a), place.get(pair.b), pairNumberOf(pair, path)]
      if (a === undefined || b === undefined || value === undefined) continue
      isThere = true
      values[a]![b] = value
      values[b]![a] = value
    }
    return isThere ? [{ name, title, values }] : []
  })
  const main = measures[0]?.values
  const tree = sets.length < 2 ? undefined : clusterTree(sets.length, (a, b) => 1 - (main?.[a]?.[b] ?? 0))
  const order = tree === undefined ? sets.map((_, i) => i) : leavesOf(tree)
  return { sets, measures, order, joins: tree === undefined ? [] : joinsOf(tree, order) }
}
