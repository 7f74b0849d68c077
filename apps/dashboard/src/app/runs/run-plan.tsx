import type { RunDetail } from '@layermill/contracts'
import type { ComponentChildren } from 'preact'
import { may } from '../core/api.js'
import { bytes, dateTime } from '../core/format.js'
import { link } from '../core/route.js'
import { Card, TableBox } from '../ui/parts.js'

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Layers({ layers }: { layers: NonNullable<RunDetail['layers']> }) {
  return (
    <TableBox label="Layers">
      <thead>
        <tr>
          <th scope="col">Layer</th>
          <th scope="col">Shape</th>
          <th scope="col">Numbers</th>
          <th scope="col" class="n">
            An image
          </th>
        </tr>
      </thead>
      <tbody>
        {layers.map(({ name, shape, dtype, bytesPerImage }) => (
          <tr key={name}>
            <th scope="row" class="mono">
              {name}
            </th>
            <td class="mono">{shape.join(' × ')}</td>
            <td>{dtype}</td>
            <td class="n">{bytes(bytesPerImage)}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** Plan of a run: its spec, the identity that decides the numbers, and the layers that are written. */
export function RunPlan({ run }: { run: RunDetail }) {
  const { spec, identity, layers, versions, created, finished, generation, partSize, batchSize } = run
  const facts: (readonly [string, ComponentChildren])[] = [
    ['Created', dateTime(created)],
    ...(finished === undefined ? [] : [['Ended', dateTime(finished)] as const]),
    ['Resumed', generation === 0 ? 'never' : `${generation} times`],
    ...(partSize === undefined ? [] : [['Part size', `${partSize} images`] as const]),
    ...(batchSize === undefined ? [] : [['Batch size', `${batchSize} images`] as const]),
    ...Object.entries(versions ?? {}).map(([name, version]) => [name, version] as const),
  ]
  return (
    <div class="columns">
      <Card
        title="Spec"
        aside={
          may('submit') ? (
            <span class="links">
              <a href={link('new', run.id)}>Submit another like it</a>
              <a href={link('new-schedule', run.id)}>Make it a schedule</a>
            </span>
          ) : null
        }
      >
        <Facts facts={Object.entries(spec).map(([name, value]) => [name, <span class="mono">{show(value)}</span>])} />
      </Card>
      <div>
        <Card title="Course">
          <Facts facts={facts} />
        </Card>
        {layers === undefined || layers.length === 0 ? null : (
          <Card title="Layers">
            <Layers layers={layers} />
          </Card>
        )}
        {identity === undefined ? null : (
          <Card title="Identity" aside={<span class="muted">what decides the numbers</span>}>
            <Facts facts={Object.entries(identity).map(([name, value]) => [name, <span class="mono">{show(value)}</span>])} />
          </Card>
        )}
      </div>
    </div>
  )
}
