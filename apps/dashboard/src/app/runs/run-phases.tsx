import type { PhaseName, WorkerPhases } from '@layermill/contracts'
import { duration, percent, rate } from '../core/format.js'
import { Card, TableBox } from '../ui/parts.js'

/** Phases that workers tell of, in the server's order. */
function namesOf(workers: readonly WorkerPhases[]): PhaseName[] {
  const names = new Set(workers.flatMap(({ seconds }) => Object.keys(seconds) as (keyof WorkerPhases['seconds'])[]))
  return [...names].filter(name => name !== 'all')
}

function Phase({ worker: { images, seconds }, name, phases }: { worker: WorkerPhases; name: PhaseName; phases: readonly PhaseName[] }) {
  const taken = seconds[name] ?? 0
  const busy = seconds.all > 0 ? Math.min(1, taken / seconds.all) : 0
  const bound = phases.every(other => (seconds[other] ?? 0) <= taken)
  const text = taken > 0 ? rate(images / taken) : '–'
  return (
    <td class="n phase" title={`${duration(taken)} of ${duration(seconds.all)}`}>
      {bound ? <b>{text}</b> : text} <span class="muted">{percent(busy, 0)}</span>
      <span class="phase-bar" aria-hidden="true">
        <span class={bound ? 'bound' : ''} style={{ width: `${busy * 100}%` }} />
      </span>
    </td>
  )
}

/** Images a second that each phase would allow by itself, worker by worker: the phase that is busy longest bounds the others. */
export function RunPhases({ phases: workers }: { phases: readonly WorkerPhases[] }) {
  const phases = namesOf(workers)
  return (
    <Card
      title="Where the time goes"
      aside={<span class="muted">images a second that each phase would allow by itself, and the share of the time that it is busy</span>}
    >
      <TableBox label="Images a second by worker and phase">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col" class="n">
              Images/s
            </th>
            {phases.map(name => (
              <th key={name} scope="col" class="n">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {workers.map(worker => (
            <tr key={worker.worker}>
              <th scope="row" class="mono">
                {worker.worker ?? 'one process'}
              </th>
              <td class="n">{worker.seconds.all > 0 ? rate(worker.images / worker.seconds.all) : '–'}</td>
              {phases.map(name => (
                <Phase key={name} worker={worker} name={name} phases={phases} />
              ))}
            </tr>
          ))}
        </tbody>
      </TableBox>
    </Card>
  )
}
