import type { RunPage, RunSummary } from '@layermill/contracts'
import { useMemo, useState } from 'preact/hooks'
import { may } from '../core/api.js'
import { ago, compact, count, duration, percent, rate, shortPlace } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Rates } from '../core/rates.js'
import { link } from '../core/route.js'
import { Empty, Loading, ProblemNote, ProgressBar, Stat, StateBadge } from '../ui/parts.js'
import { Sparkline } from '../ui/sparkline.js'

const isActive = ({ state }: RunSummary): boolean => state === 'running' || state === 'planning'
const processed = ({ counts }: RunSummary): number => counts.done + counts.failed

function RunRow({ run, rates }: { run: RunSummary; rates: Rates }) {
  const { id, kind, state, model, source, counts, created, finished } = run
  const speed = isActive(run) ? rates.rate(id) : undefined
  const left = speed !== undefined && speed > 0 && state === 'running' ? (counts.images - processed(run)) / speed : undefined
  const took = finished === undefined ? undefined : (Date.parse(finished) - Date.parse(created)) / 1000
  return (
    <li class="run">
      <div class="run-name">
        <a href={link('runs', id)}>{id}</a>
        <span class="muted">
          {kind} · {model} · <span title={source}>{shortPlace(source)}</span>
        </span>
      </div>
      <StateBadge state={state} />
      <div class="run-progress">
        <ProgressBar counts={counts} state={state} label={`Progress of ${id}`} />
        <span class="muted">
          {compact(counts.done)} of {compact(counts.images)} images
          {counts.failed === 0 ? null : <span class="bad"> · {count(counts.failed)} failed</span>}
        </span>
      </div>
      <div class="run-speed">
        {isActive(run) ? <Sparkline values={rates.history(id)} label={`Throughput of ${id}`} /> : null}
        <span>
          {speed === undefined ? null : (
            <>
              {rate(speed)} <span class="muted">images/s</span>
            </>
          )}
        </span>
      </div>
      <div class="run-time">
        {left !== undefined ? (
          <b>{duration(left)} left</b>
        ) : took !== undefined ? (
          <span>{duration(took)}</span>
        ) : (
          <span class="muted">–</span>
        )}
        <span class="muted" title={created}>
          {ago(created)}
        </span>
      </div>
    </li>
  )
}

function Totals({ runs, rates }: { runs: readonly RunSummary[]; rates: Rates }) {
  const active = runs.filter(isActive)
  const speed = active.reduce((sum, { id }) => sum + (rates.rate(id) ?? 0), 0)
  const images = runs.reduce((sum, { counts }) => sum + counts.done, 0)
  const failed = runs.reduce((sum, { counts }) => sum + counts.failed, 0)
  return (
    <dl class="stats">
      <Stat label="Under way" value={active.length} note={active.length === 1 ? 'run' : 'runs'} />
      <Stat label="Throughput" value={rate(speed)} note="images/s" />
      <Stat label="Images done" value={compact(images)} />
      <Stat
        label="Images failed"
        value={compact(failed)}
        note={images + failed === 0 ? undefined : percent(failed / (images + failed), 2)}
      />
    </dl>
  )
}

const filters = ['all', 'running', 'done', 'failed', 'cancelled'] as const

/** All runs, newest first. */
export function RunsPage() {
  const rates = useMemo(() => new Rates(), [])
  const [filter, setFilter] = useState<(typeof filters)[number]>('all')
  const [limit, setLimit] = useState(50)
  const query = `limit=${limit}${filter === 'all' ? '' : `&state=${filter}`}`
  const { data, error } = usePolled<RunPage>(`/v1/runs?${query}`, 1500)
  useMemo(() => {
    for (const run of data?.runs ?? []) if (isActive(run)) rates.note(run.id, processed(run))
  }, [data])
  return (
    <>
      <header class="page">
        <h1>Runs</h1>
        <div class="segments" role="group" aria-label="Show runs that are">
          {filters.map(name => (
            <button key={name} type="button" aria-pressed={filter === name} onClick={() => setFilter(name)}>
              {name}
            </button>
          ))}
        </div>
      </header>
      <ProblemNote error={error} />
      {data === undefined ? (
        error === undefined ? (
          <Loading what="runs" />
        ) : null
      ) : (
        <>
          <Totals runs={data.runs} rates={rates} />
          {data.runs.length === 0 ? (
            <Empty title={filter === 'all' ? 'No runs yet' : `No run is ${filter}`}>
              {may('submit') ? (
                <a class="button primary" href={link('new')}>
                  Start the first one
                </a>
              ) : null}
            </Empty>
          ) : (
            <ul class="runs card flush">
              {data.runs.map(run => (
                <RunRow key={run.id} run={run} rates={rates} />
              ))}
            </ul>
          )}
          {data.next === undefined || limit >= 200 ? null : (
            <button type="button" onClick={() => setLimit(200)}>
              Show more
            </button>
          )}
        </>
      )}
    </>
  )
}
