import type { RunDetail } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { getJson } from '../core/api.js'
import { bytes, count, duration, percent, rate } from '../core/format.js'
import { link } from '../core/route.js'
import { LineChart, type Series } from '../ui/line-chart.js'
import { Card, Empty, Loading, ProblemNote, StateBadge, TableBox } from '../ui/parts.js'
import { ConfusionOf } from './confusion.js'
import { differencesOf } from './differences.js'
import { speedOf } from './run-row.js'

/** Most runs that are held beside each other. */
const most = 6
const colours = ['a', 'b', 'c', 'd', 'e', 'f'] as const

const nameOf = ({ name, id }: RunDetail): string => name ?? id

function Heads({ runs, first }: { runs: readonly RunDetail[]; first: string }) {
  return (
    <thead>
      <tr>
        <th scope="col">{first}</th>
        {runs.map(run => (
          <th key={run.id} scope="col">
            <a href={link('runs', run.id)}>{nameOf(run)}</a>
          </th>
        ))}
      </tr>
    </thead>
  )
}

const facts: readonly (readonly [string, (run: RunDetail) => string | undefined])[] = [
  ['images', ({ counts }) => count(counts.done)],
  ['left out', ({ counts }) => count(counts.failed)],
  ['took', ({ seconds }) => (seconds === undefined ? undefined : duration(seconds))],
  [
    'images a second',
    run => {
      const speed = speedOf(run)
      return speed === undefined ? undefined : rate(speed)
    },
  ],
  ['held-out accuracy', ({ accuracy }) => (accuracy === undefined ? undefined : percent(accuracy))],
  ['epochs', ({ epochs }) => (epochs === undefined || epochs.length === 0 ? undefined : count(epochs.length))],
]

function Outcome({ runs }: { runs: readonly RunDetail[] }) {
  return (
    <Card title="Outcome">
      <TableBox label="Outcome of the runs">
        <Heads runs={runs} first="" />
        <tbody>
          <tr>
            <th scope="row">state</th>
            {runs.map(run => (
              <td key={run.id}>
                <StateBadge state={run.state} />
              </td>
            ))}
          </tr>
          {facts
            .filter(([, value]) => runs.some(run => value(run) !== undefined))
            .map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {runs.map(run => (
                  <td key={run.id}>{value(run) ?? '–'}</td>
                ))}
              </tr>
            ))}
        </tbody>
      </TableBox>
    </Card>
  )
}

function Differences({ runs }: { runs: readonly RunDetail[] }) {
  const differences = differencesOf(runs)
  return (
    <Card title="Settings that differ">
      {differences.length === 0 ? (
        <p class="muted">None: the runs have the same settings.</p>
      ) : (
        <TableBox label="Settings that differ">
          <Heads runs={runs} first="Setting" />
          <tbody>
            {differences.map(({ setting, values }) => (
              <tr key={setting}>
                <th scope="row">{setting}</th>
                {values.map((value, i) => (
                  <td key={runs[i]?.id} class="mono">
                    {value}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </TableBox>
      )}
    </Card>
  )
}

function Curves({ runs }: { runs: readonly RunDetail[] }) {
  const trained = runs.filter(({ epochs = [] }) => epochs.length > 0)
  if (trained.length === 0) return null
  const series = (name: string, otherwise: string): Series[] =>
    trained.map((run, i) => ({
      name: nameOf(run),
      colour: colours[i % colours.length]!,
      values: (run.epochs ?? []).map(({ metrics }) => metrics[name] ?? metrics[otherwise] ?? NaN),
    }))
  return (
    <Card title="Curves" aside={<span class="muted">held-out images where there are some</span>}>
      <div class="charts">
        <LineChart title="Loss" series={series('validationLoss', 'loss')} />
        <LineChart title="Accuracy" series={series('validationAccuracy', 'accuracy')} range={[0, 1]} format={value => percent(value, 0)} />
      </div>
    </Card>
  )
}

function Layers({ runs }: { runs: readonly RunDetail[] }) {
  const names = [...new Set(runs.flatMap(({ layers = [] }) => layers.map(({ name }) => name)))]
  if (names.length === 0) return null
  return (
    <Card title="Layers">
      <TableBox label="Layers of the runs">
        <Heads runs={runs} first="Layer" />
        <tbody>
          {names.map(name => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
              </th>
              {runs.map(run => {
                const layer = run.layers?.find(candidate => candidate.name === name)
                return (
                  <td key={run.id}>
                    {layer === undefined ? '–' : `${layer.shape.join(' × ')} ${layer.dtype}, ${bytes(layer.bytesPerImage)}`}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </TableBox>
    </Card>
  )
}

/** Runs side by side: what came of them, in what they differ, their curves, layers and confusion. */
export function ComparePage({ ids }: { ids: readonly string[] }) {
  const [runs, setRuns] = useState<readonly RunDetail[]>()
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    const stop = new AbortController()
    Promise.all(ids.slice(0, most).map(id => getJson<RunDetail>(`/v1/runs/${id}`, stop.signal))).then(setRuns, (failure: unknown) => {
      if (!stop.signal.aborted) setError(failure)
    })
    return () => stop.abort()
  }, [])
  return (
    <>
      <header class="page">
        <div>
          <p class="crumb">
            <a href={link('runs')}>Runs</a>
          </p>
          <h1>Runs side by side</h1>
        </div>
      </header>
      <ProblemNote error={error} />
      {ids.length < 2 ? (
        <Empty title="Nothing to compare">
          <p class="muted">Choose two runs or more in the list, and Compare.</p>
        </Empty>
      ) : runs === undefined ? (
        error === undefined ? (
          <Loading what="the runs" />
        ) : null
      ) : (
        <>
          <Outcome runs={runs} />
          <Differences runs={runs} />
          <Curves runs={runs} />
          <Layers runs={runs} />
          <div class="columns">
            {runs
              .filter(({ kind }) => kind === 'finetune')
              .map(run => (
                <ConfusionOf key={run.id} run={run.id} title={`Confusion of ${nameOf(run)}`} />
              ))}
          </div>
        </>
      )}
    </>
  )
}
