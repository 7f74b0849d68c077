import type { RunSummary } from '@layermill/contracts'
import { ago, compact, count, duration, percent, rate, shortPlace } from '../core/format.js'
import type { Rates } from '../core/rates.js'
import { link } from '../core/route.js'
import { ProgressBar, StateBadge } from '../ui/parts.js'
import { Sparkline } from '../ui/sparkline.js'
import type { ColumnName } from './columns.js'

export const isActive = ({ state }: RunSummary): boolean => state === 'running' || state === 'planning'
/** Images a second of a run's last session, of those that it did; undefined where no time is known. */
export const speedOf = ({ counts, seconds }: RunSummary): number | undefined =>
  seconds !== undefined && seconds > 0 ? (counts.computed ?? counts.done) / seconds : undefined

export const processed = ({ counts }: RunSummary): number => counts.done + counts.failed

/** Seconds that an ended run took: of work where they are known, else from its beginning to its end. */
export const tookSeconds = ({ seconds, created, finished }: RunSummary): number | undefined =>
  seconds ?? (finished === undefined ? undefined : (Date.parse(finished) - Date.parse(created)) / 1000)

const columnText: Readonly<Record<ColumnName, (run: RunSummary) => string | undefined>> = {
  accuracy: ({ accuracy }) => (accuracy === undefined ? undefined : percent(accuracy)),
  layers: ({ layerNames }) => layerNames?.join(', '),
  seconds: run => {
    const took = tookSeconds(run)
    return took === undefined ? undefined : duration(took)
  },
  notes: ({ notes }) => notes,
  out: ({ out }) => out,
}

interface RunRowProps {
  readonly run: RunSummary
  readonly rates: Rates
  readonly columns: readonly ColumnName[]
  readonly chosen: boolean
  readonly onChoose: (chosen: boolean) => void
  readonly onTag: (tag: string) => void
}

/** One run of the list. */
export function RunRow({ run, rates, columns, chosen, onChoose, onTag }: RunRowProps) {
  const { id, kind, state, model, source, counts, created, name, tags = [] } = run
  const speed = isActive(run) ? rates.rate(id) : undefined
  const left = speed !== undefined && speed > 0 && state === 'running' ? (counts.images - processed(run)) / speed : undefined
  const took = tookSeconds(run)
  const facts = columns.flatMap(column => {
    const text = columnText[column](run)
    return text === undefined ? [] : [{ column, text }]
  })
  return (
    <li class="run">
      <input
        type="checkbox"
        checked={chosen}
        aria-label={`Compare ${name ?? id}`}
        title="Compare"
        onChange={event => onChoose(event.currentTarget.checked)}
      />
      <div class="run-name">
        <a href={link('runs', id)}>{name ?? id}</a>
        <span class="muted">
          {name === undefined ? null : `${id} · `}
          {kind} · {model} · <span title={source}>{shortPlace(source)}</span>
        </span>
        {tags.length + facts.length === 0 ? null : (
          <span class="run-facts">
            {tags.map(tag => (
              <button key={tag} type="button" class="tag" title={`Only runs with the tag ${tag}`} onClick={() => onTag(tag)}>
                {tag}
              </button>
            ))}
            {facts.map(({ column, text }) => (
              <span key={column} class="muted" title={text}>
                {column} <b>{text}</b>
              </span>
            ))}
          </span>
        )}
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
      {run.error === undefined && run.waiting === undefined ? null : (
        <p class={`run-word ${run.error === undefined ? 'warm' : 'bad'}`}>{run.error?.message ?? run.waiting?.reason}</p>
      )}
    </li>
  )
}
