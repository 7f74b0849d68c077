import type { RunPage, RunSummary } from '@layermill/contracts'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { may } from '../core/api.js'
import { compact, count, percent, rate } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Rates } from '../core/rates.js'
import { go, link } from '../core/route.js'
import { Empty, Loading, ProblemNote, Stat } from '../ui/parts.js'
import { keepColumns, keptColumns } from './columns.js'
import { OpenPlace } from './open-place.js'
import { isActive, processed, RunRow } from './run-row.js'
import { type Look, RunTools, startLook } from './run-tools.js'

function Totals({ runs, total, rates }: { runs: readonly RunSummary[]; total: number; rates: Rates }) {
  const active = runs.filter(isActive)
  const speed = active.reduce((sum, { id }) => sum + (rates.rate(id) ?? 0), 0)
  const images = runs.reduce((sum, { counts }) => sum + counts.done, 0)
  const failed = runs.reduce((sum, { counts }) => sum + counts.failed, 0)
  return (
    <dl class="stats">
      <Stat label="Runs" value={count(total)} note={`${active.length} under way`} />
      <Stat label="Throughput" value={rate(speed)} note="images/s" />
      <Stat label="Images done" value={compact(images)} note={runs.length < total ? 'on this page' : undefined} />
      <Stat
        label="Images failed"
        value={compact(failed)}
        note={images + failed === 0 ? undefined : percent(failed / (images + failed), 2)}
      />
    </dl>
  )
}

const perPage = 50

const queryOf = ({ state, search, tag, sort, order }: Look, cursor: string | undefined): string =>
  Object.entries({ state: state === 'all' ? undefined : state, search: search.trim(), tag, sort, order, cursor })
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `&${name}=${encodeURIComponent(value ?? '')}`)
    .join('')

const isDefault = ({ state, search, tag }: Look): boolean => state === 'all' && search.trim() === '' && tag === undefined

function NoRuns({ look, onAll }: { look: Look; onAll: () => void }) {
  if (!isDefault(look))
    return (
      <Empty title="No run is like that">
        <button type="button" onClick={onAll}>
          Show all runs
        </button>
      </Empty>
    )
  return (
    <Empty title="No runs yet">
      <p class="muted">Features of a folder of pictures, classes of them, or a network of your own: each is a run and is listed here.</p>
      {may('submit') ? (
        <p>
          <a class="button primary" href={link('new')}>
            Start the first one
          </a>
        </p>
      ) : null}
    </Empty>
  )
}

/** All runs: searched, put in order, page by page. */
export function RunsPage() {
  const rates = useMemo(() => new Rates(), [])
  const [look, setLook] = useState<Look>(startLook)
  const [columns, setColumns] = useState(keptColumns)
  const [cursors, setCursors] = useState<readonly string[]>([])
  const [chosen, setChosen] = useState<readonly string[]>([])
  const { data, error } = usePolled<RunPage>(`/v1/runs?limit=${perPage}${queryOf(look, cursors.at(-1))}`, 1500)
  const [shown, setShown] = useState<RunPage>()
  // The list stays while another one is on its way.
  useEffect(() => {
    if (data !== undefined) setShown(data)
  }, [data])
  useMemo(() => {
    for (const run of data?.runs ?? []) if (isActive(run)) rates.note(run.id, processed(run))
  }, [data])
  const change = (next: Look): void => {
    setCursors([])
    setLook(next)
  }
  const page = data ?? shown
  const from = cursors.length * perPage
  return (
    <>
      <header class="page">
        <h1>Runs</h1>
        {may('submit') ? <OpenPlace /> : null}
      </header>
      <RunTools
        look={look}
        columns={columns}
        onChange={change}
        onColumns={next => {
          keepColumns(next)
          setColumns(next)
        }}
      />
      <ProblemNote error={error} />
      {page === undefined ? (
        error === undefined ? (
          <Loading what="runs" />
        ) : null
      ) : (
        <>
          <Totals runs={page.runs} total={page.total ?? page.runs.length} rates={rates} />
          {chosen.length === 0 ? null : (
            <div class="note actions" role="status">
              <span>
                {chosen.length === 1 ? 'One run is chosen; choose another to compare it with.' : `${chosen.length} runs are chosen.`}
              </span>
              <button type="button" class="primary" disabled={chosen.length < 2} onClick={() => go('compare', ...chosen)}>
                Compare
              </button>
              <button type="button" onClick={() => setChosen([])}>
                Choose none
              </button>
            </div>
          )}
          {page.runs.length === 0 ? (
            <NoRuns look={look} onAll={() => change(startLook)} />
          ) : (
            <ul class="runs card flush">
              {page.runs.map(run => (
                <RunRow
                  key={run.id}
                  run={run}
                  rates={rates}
                  columns={columns}
                  chosen={chosen.includes(run.id)}
                  onChoose={add => setChosen(add ? [...chosen, run.id].slice(-6) : chosen.filter(id => id !== run.id))}
                  onTag={tag => change({ ...look, tag })}
                />
              ))}
            </ul>
          )}
          {cursors.length === 0 && page.next === undefined ? null : (
            <nav class="actions" aria-label="Pages of runs">
              <button type="button" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>
                Earlier page
              </button>
              <span class="muted">
                {count(from + 1)} to {count(from + page.runs.length)} of {count(page.total ?? from + page.runs.length)}
              </span>
              <button
                type="button"
                disabled={page.next === undefined}
                onClick={() => page.next !== undefined && setCursors([...cursors, page.next])}
              >
                Next page
              </button>
            </nav>
          )}
        </>
      )}
    </>
  )
}
