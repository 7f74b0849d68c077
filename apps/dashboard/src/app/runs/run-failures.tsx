import type { FailurePage, RunDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { count } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, Empty, Loading, ProblemNote } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'

/** Images that were left out, with their reasons. */
export function RunFailures({ run }: { run: RunDetail }) {
  const [from, setFrom] = useState<readonly number[]>([0])
  const part = from.at(-1) ?? 0
  const { data, error } = usePolled<FailurePage>(`/v1/runs/${run.id}/failures?part=${part}`, run.finished === undefined ? 5000 : 0)
  if (data === undefined) return error === undefined ? <Loading what="failures" /> : <ProblemNote error={error} />
  const { failures, next } = data
  if (failures.length === 0 && from.length === 1) return <Empty title="No image has failed" />
  return (
    <Card title="Images left out" aside={<span class="muted">{count(run.counts.failed)} in all</span>}>
      <ul class="failures">
        {failures.map(({ part: of, key, code, reason }) => (
          <li key={`${of}/${key}`}>
            <Thumbnail run={run.id} part={of} name={key} />
            <div>
              <b class="mono">{key}</b>
              <p class="bad">{reason}</p>
              <p class="muted">
                <span class="mono">{code}</span> · part {of}
              </p>
            </div>
          </li>
        ))}
      </ul>
      <div class="actions">
        {from.length > 1 ? (
          <button type="button" onClick={() => setFrom(from.slice(0, -1))}>
            Earlier
          </button>
        ) : null}
        {next === undefined ? null : (
          <button type="button" onClick={() => setFrom([...from, next])}>
            More
          </button>
        )}
      </div>
    </Card>
  )
}
