import type { ScheduleDetail, ScheduleSummary } from '@layermill/orchestrator/api'
import { useState } from 'preact/hooks'
import { ApiError, may, postJson } from '../core/api.js'
import { ago, dateTime } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Card, Empty, Loading, ProblemNote, TableBox } from '../ui/parts.js'

type Tick = ScheduleDetail['history'][number]

function TickState({ tick }: { tick: Tick | undefined }) {
  if (tick === undefined) return <span class="muted">never</span>
  const state = { starting: 'planning', queued: 'planning', running: 'running', done: 'done', failed: 'failed', cancelled: 'cancelled', skipped: 'cancelled', lost: 'failed' }[tick.state]
  return <><span class={`badge ${state}`}><span class="mark" aria-hidden="true" />{tick.state}{tick.reason === undefined ? '' : `: ${tick.reason}`}</span> <span class="muted">{ago(tick.at)}</span></>
}

export function SchedulesPage() {
  const { data, error } = usePolled<{ schedules: ScheduleSummary[] }>('/v1/schedules', 5000)
  const absent = error instanceof ApiError && error.problem.code === 'ROUTE_UNKNOWN'
  return (
    <>
      <header class="page"><h1>Schedules</h1></header>
      <ProblemNote error={absent ? undefined : error} />
      {absent ? <Empty title="This server keeps no schedules"><p class="muted">Start it with <code>layermill serve --state URL</code>.</p></Empty> : data === undefined ? (error === undefined ? <Loading what="schedules" /> : null)
        : data.schedules.length === 0 ? <Empty title="No schedules yet"><p class="muted">Add one with <code>layermill schedule add NAME --cron '0 3 * * *' -f spec.yaml</code>.</p></Empty> : (
          <section class="card flush">
            <TableBox label="Schedules">
              <thead><tr><th scope="col">Schedule</th><th scope="col">When</th><th scope="col">What</th><th scope="col">Next</th><th scope="col">Last</th></tr></thead>
              <tbody>
                {data.schedules.map(({ name, cron, tz, kind, model, source, paused, next, last }) => (
                  <tr key={name}>
                    <th scope="row"><a href={link('schedules', name)}>{name}</a></th>
                    <td><span class="mono">{cron}</span><small class="muted block">{tz}</small></td>
                    <td>{kind} · {model}<small class="muted block">{source}</small></td>
                    <td class="nowrap">{paused ? <span class="badge cancelled"><span class="mark" aria-hidden="true" />paused</span> : next === undefined ? '–' : dateTime(next)}</td>
                    <td><TickState tick={last} /></td>
                  </tr>
                ))}
              </tbody>
            </TableBox>
          </section>
        )}
    </>
  )
}

function History({ ticks }: { ticks: readonly Tick[] }) {
  return (
    <TableBox label="History">
      <thead><tr><th scope="col">Due</th><th scope="col">What became of it</th><th scope="col">Run</th></tr></thead>
      <tbody>{ticks.map(tick => <tr key={tick.id}><th scope="row" class="nowrap">{dateTime(tick.due)}{tick.manual === true ? <small class="muted block">by hand</small> : null}</th><td><TickState tick={tick} />{tick.error === undefined ? null : <p class="bad">{tick.error.message}</p>}</td><td>{tick.run === undefined ? '–' : <a href={link('runs', tick.run)}>{tick.run}</a>}</td></tr>)}</tbody>
    </TableBox>
  )
}

/** One schedule: pause, resume, run now, what comes and what was. */
export function SchedulePage({ name }: { name: string }) {
  const { data, error, refresh } = usePolled<ScheduleDetail>(`/v1/schedules/${encodeURIComponent(name)}`, 3000)
  const [failure, setFailure] = useState<unknown>()
  const act = async (what: string): Promise<void> => {
    setFailure(undefined)
    await postJson(`/v1/schedules/${encodeURIComponent(name)}/${what}`).then(refresh, setFailure)
  }
  if (data === undefined) return error === undefined ? <Loading what={name} /> : <ProblemNote error={error} />
  const { cron, tz, paused, upcoming, history, spec, overlap, missed, unchanged } = data
  return (
    <>
      <header class="page">
        <div><p class="crumb"><a href={link('schedules')}>Schedules</a></p><h1>{name}</h1><p class="muted"><span class="mono">{cron}</span> · {tz}{paused ? ' · paused' : ''}</p></div>
        {may('submit') ? <div class="actions"><button type="button" onClick={() => void act('run')}>Run now</button><button type="button" onClick={() => void act(paused ? 'resume' : 'pause')}>{paused ? 'Resume' : 'Pause'}</button></div> : null}
      </header>
      <ProblemNote error={failure} />
      <div class="columns">
        <Card title="History">{history.length === 0 ? <p class="muted">Nothing yet.</p> : <History ticks={history} />}</Card>
        <div>
          <Card title="Next times" aside={<span class="muted">by this browser's clock</span>}><ul>{upcoming.map(time => <li key={time}>{dateTime(time)}</li>)}</ul></Card>
          <Card title="Rules"><dl class="facts"><div><dt>A run is under way</dt><dd>{overlap}</dd></div><div><dt>Ticks were missed</dt><dd>{missed}</dd></div><div><dt>Nothing changed</dt><dd>{unchanged}</dd></div></dl></Card>
          <Card title="Spec"><dl class="facts">{Object.entries(spec).map(([field, value]) => <div key={field}><dt>{field}</dt><dd class="mono">{typeof value === 'string' ? value : JSON.stringify(value)}</dd></div>)}</dl></Card>
        </div>
      </div>
    </>
  )
}
