import type { FleetState, WorkerInfo } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { may, postJson } from '../core/api.js'
import { ago, rate } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Empty, Loading, ProblemNote, TableBox } from '../ui/parts.js'

/** Workers as a table; `run` leaves out those that do nothing for it. */
export function WorkerTable({ workers, run }: { workers: readonly WorkerInfo[]; run?: string }) {
  const now = Date.now()
  return (
    <TableBox label="Workers">
      <thead>
        <tr>
          <th scope="col">Worker</th>
          <th scope="col">State</th>
          <th scope="col">Computes on</th>
          <th scope="col" class="n">
            Images/s
          </th>
          <th scope="col">Working on</th>
          <th scope="col">Heard of</th>
        </tr>
      </thead>
      <tbody>
        {workers.map(({ id, host, state, device, engine, version, jobs, imagesPerSecond, seen, unfit = [], waits = [] }) => (
          <tr key={id}>
            <th scope="row">
              <span class="mono">{id}</span>
              <small class="muted block">
                {host} · {version}
              </small>
            </th>
            <td>
              <span class={`badge worker-${state}`}>
                <span class="mark" aria-hidden="true" />
                {state}
              </span>
            </td>
            <td>
              {engine} on {device}
            </td>
            <td class="n">{rate(imagesPerSecond)}</td>
            <td>
              {jobs
                .filter(job => run === undefined || job.run === run)
                .map(job => (
                  <div key={`${job.run}/${job.part}`} class="job">
                    {run === undefined ? <a href={link('runs', job.run)}>{job.run}</a> : null} part {job.part}{' '}
                    <span class="muted">
                      {job.done}/{job.images}
                    </span>
                  </div>
                ))}
              {jobs.length === 0 ? <span class="muted">nothing</span> : null}
              {unfit
                .filter(entry => run === undefined || entry.run === run)
                .map(entry => (
                  <div key={`${entry.run} ${entry.job ?? ''}`} class="bad">
                    {entry.job === undefined ? 'unfit for' : 'too old for a job of'}{' '}
                    {run === undefined ? <a href={link('runs', entry.run)}>{entry.run}</a> : 'this run'}: {entry.reason}{' '}
                    <span class="muted">
                      [{entry.code}], since {ago(entry.since, now)}
                    </span>
                  </div>
                ))}
              {waits.map(wait => (
                <div key={wait.since} class="muted">
                  {wait.reason}, since {ago(wait.since, now)}
                </div>
              ))}
            </td>
            <td class="muted nowrap">{ago(seen, now)}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** Whether workers may begin anything, and for admins the button that changes it. */
function FleetSwitch() {
  const { data, refresh } = usePolled<FleetState>('/v1/fleet', 5000)
  const [error, setError] = useState<unknown>()
  if (data === undefined) return null
  const change = async (): Promise<void> => {
    setError(undefined)
    await postJson(`/v1/fleet/${data.paused ? 'resume' : 'pause'}`).catch(setError)
    refresh()
  }
  return (
    <div class="actions">
      {data.paused ? (
        <span class="badge cancelled">
          <span class="mark" aria-hidden="true" />
          paused
        </span>
      ) : null}
      {may('admin') ? (
        <button type="button" onClick={() => void change()}>
          {data.paused ? 'Resume all' : 'Pause all'}
        </button>
      ) : null}
      <ProblemNote error={error} />
    </div>
  )
}

export function WorkersPage() {
  const { data, error } = usePolled<{ workers: WorkerInfo[] }>('/v1/workers', 2000)
  return (
    <>
      <header class="page">
        <h1>Workers</h1>
        <FleetSwitch />
      </header>
      <ProblemNote error={error} />
      {data === undefined ? (
        error === undefined ? (
          <Loading what="workers" />
        ) : null
      ) : data.workers.length === 0 ? (
        <Empty title="No worker is connected">
          <p class="muted">
            Start one with <code>layermill worker --queue URL</code>.
          </p>
        </Empty>
      ) : (
        <section class="card flush">
          <WorkerTable workers={data.workers} />
        </section>
      )}
    </>
  )
}
