import type { RunListQuery, RunPage, RunSummary } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'

/** Text in which a search looks, in lower case. */
function textOf({ id, name, tags = [], notes, kind, model, source, out, layerNames = [], error }: RunSummary): string {
  return [id, name, ...tags, notes, kind, model, source, out, ...layerNames, error?.code]
    .filter(text => text !== undefined)
    .join('\n')
    .toLowerCase()
}

type Order = NonNullable<RunListQuery['sort']>

/** Value by which a run is put in order; undefined for one that has none, which comes last. */
const values: Readonly<Record<Order, (run: RunSummary) => string | number | undefined>> = {
  created: ({ created }) => created,
  name: ({ name, id }) => (name ?? id).toLowerCase(),
  state: ({ state }) => state,
  images: ({ counts }) => counts.images,
  seconds: ({ seconds }) => seconds,
  accuracy: ({ accuracy }) => accuracy,
}

function comparison(sort: Order, order: 'down' | 'up'): (a: RunSummary, b: RunSummary) => number {
  const value = values[sort]
  const sign = order === 'up' ? 1 : -1
  return (a, b) => {
    const [left, right] = [value(a), value(b)]
    if (left !== right) {
      if (left === undefined) return 1
      if (right === undefined) return -1
      return left < right ? -sign : sign
    }
    return a.created === b.created ? (a.id < b.id ? 1 : -1) : a.created < b.created ? 1 : -1
  }
}

/**
 * One page of the runs that a query asks for.
 * @throws LayermillError `CURSOR_INVALID` where the run that the page follows is not listed any more
 */
export function selectRuns(runs: readonly RunSummary[], query: RunListQuery): RunPage {
  const { state, kind, search = '', tag, sort = 'created', order = 'down', cursor, limit } = query
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const matching = runs
    .filter(run => (state === undefined || run.state === state) && (kind === undefined || run.kind === kind))
    .filter(run => tag === undefined || run.tags?.includes(tag) === true)
    .filter(run => words.every(word => textOf(run).includes(word)))
    .toSorted(comparison(sort, order))
  const from = cursor === undefined ? 0 : matching.findIndex(({ id }) => id === cursor) + 1
  if (cursor !== undefined && from === 0)
    throw new LayermillError('CURSOR_INVALID', 'cursor: that run is not listed any more; start again from the first page')
  const page = matching.slice(from, from + limit)
  return { runs: page, next: matching.length > from + limit ? page.at(-1)?.id : undefined, total: matching.length }
}
