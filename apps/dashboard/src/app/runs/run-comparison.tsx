import type { RunComparison as Comparison, RunDetail, RunPage } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { ApiError } from '../core/api.js'
import { count } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, Empty, Loading, ProblemNote, TableBox } from '../ui/parts.js'
import { RunAnalysis } from './run-analysis.js'

/** Above that many sets cells have no numbers, only colours and titles. */
const mostNumbers = 16

type Measure = Comparison['measures'][number]

const text = (value: number | null | undefined): string => (value === null || value === undefined ? 'undefined' : value.toFixed(3))

/** Numbers of all pairs, coloured by their share of 1, like sets beside each other. */
function HeatMap({ comparison: { sets, order }, measure }: { comparison: Comparison; measure: Measure }) {
  const nameOf = (i: number): string => sets[i]?.name ?? ''
  return (
    <TableBox label={measure.title}>
      <thead>
        <tr>
          <th scope="col">Set</th>
          {order.map(b => (
            <th key={b} scope="col" class="n">
              {nameOf(b)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody class="confusion">
        {order.map(a => (
          <tr key={a}>
            <th scope="row">{nameOf(a)}</th>
            {order.map(b => {
              const value = measure.values[a]?.[b]
              return (
                <td
                  key={b}
                  class="n hit"
                  style={{ '--share': `${Math.round(Math.max(0, Math.min(1, value ?? 0)) * 45)}%` }}
                  title={`${nameOf(a)} and ${nameOf(b)}: ${text(value)}`}
                >
                  {order.length > mostNumbers ? '' : text(value)}
                </td>
              )
            })}
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** Tree of the sets by likeness: leaves below each other, distance to the right. */
function Dendrogram({ comparison: { sets, order, joins } }: { comparison: Comparison }) {
  const [line, room, label] = [18, 420, 220]
  const top = Math.max(1e-9, ...joins.map(({ distance }) => distance))
  const x = (distance: number): number => label + (distance / top) * room
  const y = (place: number): number => (place + 0.7) * line
  const width = label + room + 20
  return (
    <svg viewBox={`0 0 ${width} ${(order.length + 1) * line}`} class="tree" role="img" aria-label="Sets by likeness">
      {joins.map(({ leaves: [a, b], from: [left, right], distance }) => (
        <path key={`${a}/${b}`} d={`M${x(left)} ${y(a)}H${x(distance)}V${y(b)}H${x(right)}`} />
      ))}
      {order.map((set, i) => (
        <text key={set} x={label - 6} y={y(i) + 4} text-anchor="end">
          {sets[set]?.name}
        </text>
      ))}
    </svg>
  )
}

function Shown({ comparison }: { comparison: Comparison }) {
  const [chosen, setChosen] = useState<string>()
  const { measures, sets, joins } = comparison
  const measure = measures.find(({ name }) => name === chosen) ?? measures[0]
  const biased = measures.find(({ name }) => name === 'cka-biased')
  if (measure === undefined) return <Empty title="The comparison has no numbers" />
  return (
    <>
      <div class="sheet-tools">
        <label>
          Measure{' '}
          <select value={measure.name} onChange={event => setChosen(event.currentTarget.value)}>
            {measures.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <span class="muted">of {count(sets[0]?.rows ?? 0)} images</span>
      </div>
      <HeatMap comparison={comparison} measure={measure} />
      {measure.name === 'cka-debiased' && biased !== undefined ? (
        <>
          <h3 class="matrix-title">{biased.title}</h3>
          <p class="muted">High for unrelated sets too, where there are many columns for the images.</p>
          <HeatMap comparison={comparison} measure={biased} />
        </>
      ) : null}
      {joins.length === 0 ? null : <Dendrogram comparison={comparison} />}
    </>
  )
}

/** Choice of another extraction whose layers are held against this one's: another network, or the same after fine-tuning. */
function OtherRun({ run, chosen, onChoose }: { run: RunDetail; chosen: string; onChoose: (id: string) => void }) {
  const { data } = usePolled<RunPage>('/v1/runs?kind=extract&state=done&limit=200', 0)
  const others = (data?.runs ?? []).filter(({ id }) => id !== run.id)
  if (others.length === 0) return null
  return (
    <label>
      With the layers of{' '}
      <select value={chosen} onChange={event => onChoose(event.currentTarget.value)}>
        <option value="">no other run</option>
        {others.map(({ id, name, model }) => (
          <option key={id} value={id}>
            {`${name ?? id} (${model})`}
          </option>
        ))}
      </select>
    </label>
  )
}

/** Layers of a run, and of another where one is chosen, held against each other, all pairs. */
export function RunComparison({ run }: { run: RunDetail }) {
  const [other, setOther] = useState('')
  const { data, error, refresh } = usePolled<Comparison>(`/v1/runs/${run.id}/comparison`, 0)
  const missing = error instanceof ApiError && error.problem.code === 'NOT_RECORDED'
  return (
    <Card title="Likeness of the layers">
      <div class="sheet-tools">
        <OtherRun run={run} chosen={other} onChoose={setOther} />
        <RunAnalysis
          run={run.id}
          kind="compare"
          title={other === '' ? 'Compare all layers' : 'Compare the layers of both runs'}
          body={other === '' ? { kind: 'compare' } : { kind: 'compare', with: [other] }}
          onEnded={refresh}
        />
      </div>
      {data !== undefined ? (
        <Shown comparison={data} />
      ) : missing ? (
        <Empty title="No comparison of these features is there">
          <p class="muted">It holds all pairs of layers against each other, by CKA and by the likeness of their dissimilarities.</p>
        </Empty>
      ) : error === undefined ? (
        <Loading what="the comparison" />
      ) : (
        <ProblemNote error={error} />
      )}
    </Card>
  )
}
