import type { QueueJob, QueueJobPage, QueueJobState } from '@layermill/contracts'
import { useEffect, useRef, useState } from 'preact/hooks'
import { postJson, send } from '../core/api.js'
import { ago, count, dateTime, duration } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Confirm } from '../ui/confirm.js'
import { Empty, Loading, ProblemNote, TableBox } from '../ui/parts.js'
import { consequence } from './job-consequences.js'
import { JobDetails } from './job-details.js'

const states = ['failed', 'active', 'waiting', 'prioritized', 'delayed', 'completed'] as const satisfies readonly QueueJobState[]
const pageSize = 25
/** Title of the remark on a job, by the job's state: the remark is mostly about that. */
const remarkTitles = {
  failed: 'Reason',
  active: 'Worker',
  waiting: 'Last failure',
  prioritized: 'Last failure',
  delayed: 'Due',
  completed: 'Took',
} as const satisfies Record<QueueJobState, string>

export const isQueueJobState = (text: string | undefined): text is QueueJobState => states.some(state => state === text)

/** Remark on a job: the reason of its failure, if any, and the facts of its state. */
function Remark({ job: { state, worker, started, finished, due, error } }: { job: QueueJob }) {
  const seconds = started === undefined || finished === undefined ? undefined : (Date.parse(finished) - Date.parse(started)) / 1000
  return (
    <>
      {error === undefined ? null : (
        <>
          <span class="mono bad">{error.code}</span>
          <span class="block clamp">{error.message}</span>
        </>
      )}
      {state === 'active' && worker !== undefined ? <span class="mono">{worker}</span> : null}
      {state === 'delayed' && due !== undefined ? <span class="muted block">{dateTime(due)}</span> : null}
      {state === 'completed' && seconds !== undefined ? (
        <span class="muted block">{seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds)}</span>
      ) : null}
    </>
  )
}

function Jobs({ jobs, state, onOpen }: { jobs: readonly QueueJob[]; state: QueueJobState; onOpen: (job: QueueJob) => void }) {
  return (
    <TableBox label="Jobs">
      <thead>
        <tr>
          <th scope="col">Job</th>
          <th scope="col">{remarkTitles[state]}</th>
          <th scope="col">Run</th>
          <th scope="col" class="n">
            Attempts
          </th>
          <th scope="col">Added</th>
        </tr>
      </thead>
      <tbody>
        {jobs.map(job => (
          <tr key={job.id}>
            <th scope="row">
              <button type="button" class="plain mono" aria-haspopup="dialog" onClick={() => onOpen(job)}>
                {job.id}
              </button>
            </th>
            <td>
              <Remark job={job} />
            </td>
            <td>{job.run === undefined ? '–' : <a href={link('runs', job.run)}>{job.run}</a>}</td>
            <td class="n nowrap">
              {job.attempts} of {job.attemptsAllowed}
            </td>
            <td class="muted nowrap">{ago(job.added)}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** Dialog open above the list: a job's details, or the question whether to retry or remove it. */
interface Opened {
  readonly job: QueueJob
  readonly what: 'look' | 'retry' | 'remove'
}

function Dialog({
  queue,
  opened: { job, what },
  open,
  onDone,
}: {
  queue: string
  opened: Opened
  open: (opened: Opened | undefined) => void
  onDone: (said: string) => void
}) {
  const path = `/v1/queues/${encodeURIComponent(queue)}/jobs/${encodeURIComponent(job.id)}`
  const close = (): void => open(undefined)
  if (what === 'look') return <JobDetails job={job} onClose={next => open(next === undefined ? undefined : { job, what: next })} />
  const act = async (): Promise<void> => {
    if (what === 'retry') await postJson(`${path}/retry`)
    else await send(path, { method: 'DELETE' })
    onDone(what === 'retry' ? `${job.id} is tried again.` : `${job.id} is removed.`)
  }
  return (
    <Confirm
      title={what === 'retry' ? 'Try this job again?' : 'Remove this job?'}
      action={what === 'retry' ? 'Yes, try it again' : 'Yes, remove it'}
      danger={what === 'remove'}
      onConfirm={act}
      onClose={close}
    >
      <p class="mono">{job.id}</p>
      <p>{consequence(queue, what, job.state)}</p>
    </Confirm>
  )
}

/** The jobs of one queue, by state, for admins. */
export function QueuePage({ queue, state }: { queue: string; state: QueueJobState }) {
  const [offset, setOffset] = useState(0)
  const [opened, setOpened] = useState<Opened>()
  const [said, setSaid] = useState('')
  useEffect(() => setOffset(0), [state])
  const { data, error, refresh } = usePolled<QueueJobPage>(
    `/v1/queues/${encodeURIComponent(queue)}/jobs?state=${state}&limit=${pageSize}&offset=${offset}`,
    3000,
  )
  // While another state's jobs are asked for, the counts stay.
  const counts = useRef<QueueJobPage['counts'] | undefined>(undefined)
  counts.current = data?.counts ?? counts.current
  const done = (text: string): void => {
    setSaid(text)
    refresh()
  }
  return (
    <>
      <header class="page">
        <div>
          <p class="crumb">
            <a href={link('queues')}>Queues</a>
          </p>
          <h1>{queue}</h1>
        </div>
      </header>
      <nav class="tabs" aria-label="Jobs by state">
        {states.map(name => (
          <a key={name} href={link('queues', queue, name)} aria-current={name === state ? 'page' : undefined}>
            {name}
            {counts.current === undefined ? null : (
              <>
                {' '}
                <span class="muted">{count(counts.current[name])}</span>
              </>
            )}
          </a>
        ))}
      </nav>
      <ProblemNote error={error} />
      <p role="status" class={said === '' ? undefined : 'note'}>
        {said}
      </p>
      {data === undefined ? (
        error === undefined ? (
          <Loading what="jobs" />
        ) : null
      ) : data.jobs.length === 0 ? (
        <Empty title={`No ${state} jobs`} />
      ) : (
        <section class="card flush">
          <Jobs jobs={data.jobs} state={state} onOpen={job => setOpened({ job, what: 'look' })} />
        </section>
      )}
      <div class="actions">
        {offset > 0 ? (
          <button type="button" onClick={() => setOffset(Math.max(0, offset - pageSize))}>
            Back
          </button>
        ) : null}
        {data?.next === undefined ? null : (
          <button type="button" onClick={() => setOffset(data.next ?? 0)}>
            More
          </button>
        )}
      </div>
      {opened === undefined ? null : <Dialog key={opened.what} queue={queue} opened={opened} open={setOpened} onDone={done} />}
    </>
  )
}
