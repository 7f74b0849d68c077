import type { QueueDepth } from '@layermill/contracts'
import { may } from '../core/api.js'
import { count } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Loading, ProblemNote, TableBox } from '../ui/parts.js'

const columns = ['waiting', 'prioritized', 'delayed', 'due', 'active', 'failed'] as const

export function QueuesPage() {
  const { data, error } = usePolled<{ queues: QueueDepth[] }>('/v1/queues', 2000)
  return (
    <>
      <header class="page">
        <h1>Queues</h1>
      </header>
      <ProblemNote error={error} />
      {data === undefined ? (
        error === undefined ? (
          <Loading what="queues" />
        ) : null
      ) : (
        <section class="card flush">
          <TableBox label="Jobs of each queue by state">
            <thead>
              <tr>
                <th scope="col">Queue</th>
                {columns.map(name => (
                  <th key={name} scope="col" class="n">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.queues.map(queue => (
                <tr key={queue.queue}>
                  <th scope="row" class="mono">
                    {may('admin') ? <a href={link('queues', queue.queue)}>{queue.queue}</a> : queue.queue}
                  </th>
                  {columns.map(name => (
                    <td key={name} class={queue[name] === 0 ? 'n muted' : name === 'failed' ? 'n bad' : 'n'}>
                      {count(queue[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </TableBox>
        </section>
      )}
      {may('admin') ? (
        <p class="links">
          <a href={link('queues', 'layermill-webhooks')}>Deliveries of webhooks</a>
        </p>
      ) : null}
    </>
  )
}
