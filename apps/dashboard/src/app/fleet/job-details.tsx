import type { QueueJob } from '@layermill/contracts'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { dateTime, duration } from '../core/format.js'
import { link } from '../core/route.js'

interface JobDetailsProps {
  readonly job: QueueJob
  /** The dialog is closed; `next` is what was asked for, if anything. */
  readonly onClose: (next: 'retry' | 'remove' | undefined) => void
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Facts({
  job: { name, state, run, attempts, attemptsAllowed, added, started, finished, delay, due, worker, error },
}: {
  job: QueueJob
}) {
  return (
    <dl class="facts">
      <Fact name="State">{state}</Fact>
      <Fact name="Kind">{name}</Fact>
      {run === undefined ? null : (
        <Fact name="Run">
          <a href={link('runs', run)}>{run}</a>
        </Fact>
      )}
      {error === undefined ? null : (
        <Fact name="Failed with">
          <span class="mono bad">{error.code}</span>
          <p class="said">{error.message}</p>
        </Fact>
      )}
      <Fact name="Attempts">
        {attempts} of {attemptsAllowed}
      </Fact>
      <Fact name="Added">{dateTime(added)}</Fact>
      {started === undefined ? null : <Fact name="Started">{dateTime(started)}</Fact>}
      {finished === undefined ? null : <Fact name="Finished">{dateTime(finished)}</Fact>}
      {due === undefined ? null : (
        <Fact name="Due">
          {dateTime(due)}
          {delay === undefined ? null : <span class="muted"> after {duration(delay / 1000)}</span>}
        </Fact>
      )}
      {worker === undefined ? null : (
        <Fact name="Worker">
          <span class="mono">{worker}</span>
        </Fact>
      )}
    </dl>
  )
}

/** Everything that is known of one job, and what can be done with it. */
export function JobDetails({ job, onClose }: JobDetailsProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const next = useRef<'retry' | 'remove' | undefined>(undefined)
  useEffect(() => dialog.current?.showModal(), [])
  // Closed first, so that the focus is back on the list when the question comes.
  const ask = (what: 'retry' | 'remove'): void => {
    next.current = what
    dialog.current?.close()
  }
  return (
    <dialog ref={dialog} class="confirm details" aria-labelledby="job-title" onClose={() => onClose(next.current)}>
      <h2 id="job-title" class="mono">
        {job.id}
      </h2>
      <Facts job={job} />
      <h3>Payload</h3>
      <pre class="mono" tabIndex={0} role="region" aria-label="Payload">
        {JSON.stringify(job.data, undefined, 2)}
      </pre>
      <div class="actions">
        {job.state === 'failed' ? (
          <button type="button" class="primary" onClick={() => ask('retry')}>
            Retry
          </button>
        ) : null}
        {job.state === 'active' ? null : (
          <button type="button" class="danger" onClick={() => ask('remove')}>
            Remove
          </button>
        )}
        <button type="button" autofocus onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}
