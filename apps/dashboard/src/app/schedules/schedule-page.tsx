import type { ScheduleDetail, ScheduleTick } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { may, postJson, send } from '../core/api.js'
import { dateTime } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { go, link } from '../core/route.js'
import { Confirm } from '../ui/confirm.js'
import { Card, Loading, ProblemNote, TableBox } from '../ui/parts.js'
import { type Tick, TickState } from './tick-state.js'

const pathOf = (name: string): string => `/v1/schedules/${encodeURIComponent(name)}`

function History({ ticks }: { ticks: readonly Tick[] }) {
  return (
    <TableBox label="History">
      <thead>
        <tr>
          <th scope="col">Due</th>
          <th scope="col">What became of it</th>
          <th scope="col">Run</th>
        </tr>
      </thead>
      <tbody>
        {ticks.map(tick => (
          <tr key={tick.id}>
            <th scope="row" class="nowrap">
              {dateTime(tick.due)}
              {tick.manual === true ? <small class="muted block">by hand</small> : null}
            </th>
            <td>
              <TickState tick={tick} />
              {tick.error === undefined ? null : <p class="bad">{tick.error.message}</p>}
            </td>
            <td class="nowrap">{tick.run === undefined ? '–' : <a href={link('runs', tick.run)}>{tick.run}</a>}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** Said after a tick was asked for: what became of it so far. */
function Asked({ tick }: { tick: Tick | undefined }) {
  return (
    <p class="note" role="status">
      {tick === undefined ? (
        'Asked for: it starts as soon as an orchestrator takes it up.'
      ) : (
        <>
          Asked for: <TickState tick={tick} />
          {tick.run === undefined ? null : (
            <>
              {' '}
              <a href={link('runs', tick.run)}>{tick.run}</a>
            </>
          )}
        </>
      )}
    </p>
  )
}

interface ActionsProps {
  readonly schedule: ScheduleDetail
  readonly act: (what: 'pause' | 'resume' | 'run') => void
  readonly onRemove: () => void
}

function Actions({ schedule: { name, paused }, act, onRemove }: ActionsProps) {
  return (
    <div class="actions">
      <button type="button" class="primary" onClick={() => act('run')}>
        Run now
      </button>
      <button type="button" onClick={() => act(paused ? 'resume' : 'pause')}>
        {paused ? 'Resume' : 'Pause'}
      </button>
      <a class="button" href={link('schedules', name, 'edit')}>
        Edit
      </a>
      <button type="button" class="danger" onClick={onRemove}>
        Remove
      </button>
    </div>
  )
}

const rules = {
  overlap: { title: 'A run is under way', skip: 'leave the tick out', queue: 'run once afterwards' },
  missed: { title: 'Nobody was there in time', run: 'one run makes up for it', skip: 'leave it out' },
  unchanged: { title: 'Nothing changed', skip: 'leave the tick out', run: 'run all the same' },
} as const

function Rules({ overlap, missed, unchanged, notify = [] }: ScheduleDetail) {
  return (
    <dl class="facts">
      <div>
        <dt>{rules.overlap.title}</dt>
        <dd>{rules.overlap[overlap]}</dd>
      </div>
      <div>
        <dt>{rules.missed.title}</dt>
        <dd>{rules.missed[missed]}</dd>
      </div>
      <div>
        <dt>{rules.unchanged.title}</dt>
        <dd>{rules.unchanged[unchanged]}</dd>
      </div>
      {notify.length === 0 ? null : (
        <div>
          <dt>Tells</dt>
          <dd>
            {notify.map(url => (
              <span key={url} class="mono block">
                {url}
              </span>
            ))}
          </dd>
        </div>
      )}
    </dl>
  )
}

function Details({ schedule }: { schedule: ScheduleDetail }) {
  const { upcoming, history, spec } = schedule
  return (
    <div class="columns">
      <Card title="History">{history.length === 0 ? <p class="muted">Nothing yet.</p> : <History ticks={history} />}</Card>
      <div>
        <Card title="Next times" aside={<span class="muted">by this browser's clock</span>}>
          {upcoming.length === 0 ? (
            <p class="muted">Never again.</p>
          ) : (
            <ul>
              {upcoming.map(time => (
                <li key={time}>{dateTime(time)}</li>
              ))}
            </ul>
          )}
        </Card>
        <Card title="Rules">
          <Rules {...schedule} />
        </Card>
        <Card title="Spec">
          <dl class="facts">
            {Object.entries(spec).map(([field, value]) => (
              <div key={field}>
                <dt>{field}</dt>
                <dd class="mono">{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
              </div>
            ))}
          </dl>
        </Card>
      </div>
    </div>
  )
}

/** One schedule: pause, resume, run now, edit, remove; what comes and what was. */
export function SchedulePage({ name }: { name: string }) {
  const { data, error, refresh } = usePolled<ScheduleDetail>(pathOf(name), 3000)
  const [failure, setFailure] = useState<unknown>()
  const [asked, setAsked] = useState<string>()
  const [removing, setRemoving] = useState(false)
  const act = async (what: 'pause' | 'resume' | 'run'): Promise<void> => {
    setFailure(undefined)
    setAsked(undefined)
    try {
      const answer = await postJson<ScheduleDetail | ScheduleTick>(`${pathOf(name)}/${what}`)
      if ('tick' in answer) setAsked(answer.tick)
      refresh()
    } catch (problem) {
      setFailure(problem)
    }
  }
  if (data === undefined) return error === undefined ? <Loading what={name} /> : <ProblemNote error={error} />
  const { cron, tz, paused, kind, model, history } = data
  return (
    <>
      <header class="page">
        <div>
          <p class="crumb">
            <a href={link('schedules')}>Schedules</a>
          </p>
          <h1>
            {name}{' '}
            {paused ? (
              <span class="badge cancelled">
                <span class="mark" aria-hidden="true" />
                paused
              </span>
            ) : null}
          </h1>
          <p class="muted">
            <span class="mono">{cron}</span> · {tz} · {kind} · {model}
          </p>
        </div>
        {may('submit') ? <Actions schedule={data} act={what => void act(what)} onRemove={() => setRemoving(true)} /> : null}
      </header>
      <ProblemNote error={failure} />
      {asked === undefined ? null : <Asked tick={history.find(({ id }) => id === asked)} />}
      <Details schedule={data} />
      {removing ? (
        <Confirm
          title={`Remove ${name}?`}
          action="Yes, remove it"
          danger
          onClose={() => setRemoving(false)}
          onConfirm={async () => {
            await send(pathOf(name), { method: 'DELETE' })
            go('schedules')
          }}
        >
          <p>It ticks no more, and its history is deleted. Runs that it started go on, and what they wrote stays.</p>
        </Confirm>
      ) : null}
    </>
  )
}
