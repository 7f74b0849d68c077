import type { ScheduleSummary } from '@layermill/contracts'
import { ApiError, may } from '../core/api.js'
import { dateTime, shortPlace } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Icon } from '../ui/icons.js'
import { Empty, Loading, ProblemNote, TableBox } from '../ui/parts.js'
import { TickState } from './tick-state.js'

function Row({ schedule: { name, cron, tz, kind, model, source, paused, next, last } }: { schedule: ScheduleSummary }) {
  return (
    <tr>
      <th scope="row">
        <a href={link('schedules', name)}>{name}</a>
      </th>
      <td class="nowrap">
        <span class="mono">{cron}</span>
        <small class="muted block">{tz}</small>
      </td>
      <td>
        {kind} · {model}
        <small class="muted block" title={source}>
          {shortPlace(source)}
        </small>
      </td>
      <td class="nowrap">
        {paused ? (
          <span class="badge cancelled">
            <span class="mark" aria-hidden="true" />
            paused
          </span>
        ) : next === undefined ? (
          '–'
        ) : (
          dateTime(next)
        )}
      </td>
      <td>
        <TickState tick={last} />
      </td>
    </tr>
  )
}

/** All schedules, by name. */
export function SchedulesPage() {
  const { data, error } = usePolled<{ schedules: ScheduleSummary[] }>('/v1/schedules', 5000)
  const absent = error instanceof ApiError && error.problem.code === 'ROUTE_UNKNOWN'
  return (
    <>
      <header class="page">
        <h1>Schedules</h1>
        {may('submit') && !absent ? (
          <a class="button" href={link('new-schedule')}>
            <Icon name="plus" />
            New schedule
          </a>
        ) : null}
      </header>
      <ProblemNote error={absent ? undefined : error} />
      {absent ? (
        <Empty title="This server keeps no schedules">
          <p class="muted">
            Start it with <code>layermill serve --state URL</code>.
          </p>
        </Empty>
      ) : data === undefined ? (
        error === undefined ? (
          <Loading what="schedules" />
        ) : null
      ) : data.schedules.length === 0 ? (
        <Empty title="No schedules yet">
          <p class="muted">A schedule runs a spec at its times, where there is something to do.</p>
        </Empty>
      ) : (
        <section class="card flush">
          <TableBox label="Schedules">
            <thead>
              <tr>
                <th scope="col">Schedule</th>
                <th scope="col">When</th>
                <th scope="col">What</th>
                <th scope="col">Next</th>
                <th scope="col">Last</th>
              </tr>
            </thead>
            <tbody>
              {data.schedules.map(schedule => (
                <Row key={schedule.name} schedule={schedule} />
              ))}
            </tbody>
          </TableBox>
        </section>
      )}
    </>
  )
}
