import type { RunDetail, RunParts, WorkerInfo } from '@layermill/contracts'
import { count } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card } from '../ui/parts.js'

const columns = 64
/** More parts than that share cells. */
const mostCells = 512

const covered = (ranges: RunParts['committed'], from: number, to: number): number =>
  ranges.reduce((sum, [first, last]) => sum + Math.max(0, Math.min(last, to) - Math.max(first, from) + 1), 0)

/** Every part as a small square: waiting, being computed, there, there with failures. */
export function PartGrid({ run, workers, active }: { run: RunDetail; workers: readonly WorkerInfo[]; active: boolean }) {
  const { data } = usePolled<RunParts>(`/v1/runs/${run.id}/parts`, active ? 3000 : 0)
  const parts = run.counts.parts
  if (data === undefined || parts === 0) return null
  const busy = new Set(workers.flatMap(({ jobs }) => jobs.filter(job => job.run === run.id).map(({ part }) => part)))
  const each = Math.ceil(parts / mostCells)
  const cells = Array.from({ length: Math.ceil(parts / each) }, (_, i) => {
    const [from, to] = [i * each, Math.min(parts, (i + 1) * each) - 1]
    const there = covered(data.committed, from, to)
    const state =
      covered(data.withErrors, from, to) > 0
        ? 'errors'
        : there === to - from + 1
          ? 'there'
          : [...busy].some(part => part >= from && part <= to)
            ? 'busy'
            : there > 0
              ? 'some'
              : 'waiting'
    return { from, to, state }
  })
  const done = covered(data.committed, 0, parts)
  return (
    <Card
      title="Parts"
      aside={
        <span class="muted">
          {count(done)} of {count(parts)} committed{each > 1 ? `, ${each} to a square` : ''}
        </span>
      }
    >
      <div
        class="parts"
        role="img"
        aria-label={`${done} of ${parts} parts are committed, ${busy.size} are being computed`}
        style={{ '--columns': Math.min(columns, Math.max(16, Math.ceil(cells.length / 4))) }}
      >
        {cells.map(({ from, to, state }) => (
          <span key={from} class={state} title={`${from === to ? `part ${from}` : `parts ${from} to ${to}`}: ${state}`} />
        ))}
      </div>
      <p class="legend muted">
        <span class="there" />
        there <span class="errors" />
        with failures <span class="busy" />
        being computed <span class="waiting" />
        waiting
      </p>
    </Card>
  )
}
