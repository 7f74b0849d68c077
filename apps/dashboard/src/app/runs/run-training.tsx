import type { RunDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { count, duration, percent } from '../core/format.js'
import { LineChart, type Series } from '../ui/line-chart.js'
import { Card, Empty, Stat, TableBox } from '../ui/parts.js'
import { Confusion } from './confusion.js'
import { headRows } from './head-figures.js'
import type { LiveRun, Training } from './use-run.js'

function pair(epochs: readonly Training[], training: string, heldOut: string): Series[] {
  const values = (name: string): number[] => epochs.map(({ metrics }) => metrics[name] ?? NaN)
  const series: Series[] = [{ name: 'training', colour: 'a', values: values(training) }]
  return epochs.some(({ metrics }) => metrics[heldOut] !== undefined)
    ? [...series, { name: 'held out', colour: 'b', values: values(heldOut) }]
    : series
}

const one = (epochs: readonly Training[], name: string, title: string): Series[] => [
  { name: title, colour: 'c', values: epochs.map(({ metrics }) => metrics[name] ?? NaN) },
]

/** Loss and accuracy by epoch; with `all` learning rate and gradient as well, and a choice of the scale. */
export function RunCurves({ epochs, all = false }: { epochs: readonly Training[]; all?: boolean }) {
  const [log, setLog] = useState(false)
  const from = epochs[0]?.epoch ?? 1
  const best = epochs.findLastIndex(({ metrics }) => metrics['best'] === 1)
  const held = epochs.some(({ metrics }) => metrics['validationLoss'] !== undefined)
  const mark = best < 0 || !held ? undefined : { at: best, text: `best: ${from + best}` }
  return (
    <>
      {all ? (
        <p class="chart-tools">
          <label>
            <input type="checkbox" checked={log} onChange={event => setLog(event.currentTarget.checked)} />
            Loss, rate and gradient on a log scale
          </label>
        </p>
      ) : null}
      <div class="charts">
        <LineChart title="Loss" series={pair(epochs, 'loss', 'validationLoss')} from={from} log={log} mark={mark} />
        <LineChart
          title="Accuracy"
          series={pair(epochs, 'accuracy', 'validationAccuracy')}
          from={from}
          range={[0, 1]}
          format={value => percent(value, 0)}
          mark={mark}
        />
        {all ? <LineChart title="Learning rate" series={one(epochs, 'learningRate', 'of the last update')} from={from} log={log} /> : null}
        {all ? <LineChart title="Gradient norm" series={one(epochs, 'gradientNorm', 'before clipping')} from={from} log={log} /> : null}
      </div>
    </>
  )
}

const phases: Record<string, string> = {
  check: 'looking at the images',
  features: 'computing the frozen base',
  train: 'training',
  validate: 'scoring held-out images',
  write: 'writing the model',
  epoch: 'training',
}

function Now({ training }: { training: Training }) {
  const { phase, step, steps, epoch, epochs, metrics } = training
  const left = metrics['imagesLeft']
  return (
    <dl class="stats">
      <Stat label="Now" value={phases[phase ?? 'train'] ?? 'training'} />
      <Stat label="Epoch" value={epochs === undefined ? epoch : `${epoch} / ${epochs}`} />
      <Stat label="Step" value={steps === undefined ? count(step) : `${count(step)} / ${count(steps)}`} />
      {metrics['loss'] === undefined ? null : <Stat label="Loss" value={metrics['loss'].toFixed(4)} />}
      {metrics['accuracy'] === undefined ? null : <Stat label="Accuracy" value={percent(metrics['accuracy'])} />}
      {left === undefined ? null : <Stat label="Images left" value={count(left)} />}
    </dl>
  )
}

const number = (value: number | undefined, digits = 4): string => (value === undefined ? '–' : value.toFixed(digits))
const share = (value: number | undefined): string => (value === undefined ? '–' : percent(value))

/** Targets of the best epoch so far; nothing where there is one target. */
function HeadTable({ epochs }: { epochs: readonly Training[] }) {
  const best = epochs.findLast(({ metrics }) => metrics['best'] === 1) ?? epochs.at(-1)
  const rows = headRows(best?.metrics ?? {})
  if (rows.length === 0) return null
  return (
    <Card title="Targets">
      <TableBox label="Targets">
        <thead>
          <tr>
            <th scope="col">Target</th>
            <th scope="col" class="n">
              Images
            </th>
            <th scope="col" class="n">
              Held-out loss
            </th>
            <th scope="col">Epoch {best?.epoch}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, images, loss, figures }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="n">{count(images)}</td>
              <td class="n">{number(loss)}</td>
              <td>{figures}</td>
            </tr>
          ))}
        </tbody>
      </TableBox>
    </Card>
  )
}

function EpochTable({ epochs }: { epochs: readonly Training[] }) {
  return (
    <TableBox label="Epochs">
      <thead>
        <tr>
          {['Epoch', 'Updates', 'Learning rate', 'Loss', 'Accuracy', 'Held-out loss', 'Held-out accuracy', 'Held-out F1'].map(name => (
            <th key={name} scope="col" class="n">
              {name}
            </th>
          ))}
          <th scope="col">
            <span class="hidden">Best</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {epochs.toReversed().map(({ epoch, step, metrics }) => (
          <tr key={epoch}>
            <th scope="row" class="n">
              {epoch}
            </th>
            <td class="n">{count(step)}</td>
            <td class="n">{metrics['learningRate']?.toPrecision(3) ?? '–'}</td>
            <td class="n">{number(metrics['loss'])}</td>
            <td class="n">{share(metrics['accuracy'])}</td>
            <td class="n">{number(metrics['validationLoss'])}</td>
            <td class="n">{share(metrics['validationAccuracy'])}</td>
            <td class="n">{share(metrics['validationMacroF1'])}</td>
            <td class="good">{metrics['best'] === 1 ? 'best so far' : ''}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** A fine-tuning run's course. */
export function RunTraining({ run, live }: { run: RunDetail; live: LiveRun }) {
  const { epochs, training } = live
  const active = run.state === 'running' || run.state === 'planning'
  return (
    <>
      {active && training !== undefined ? <Now training={training} /> : null}
      {epochs.length === 0 ? (
        <Empty title="No epoch has ended yet">
          <p class="muted">{active ? 'Curves and the table of classes come with the first.' : `after ${duration(run.seconds ?? 0)}`}</p>
        </Empty>
      ) : (
        <>
          <Card title="Curves">
            <RunCurves epochs={epochs} all />
          </Card>
          <Confusion key={epochs.length} run={run.id} epochs={epochs.length} />
          <HeadTable epochs={epochs} />
          <Card title="Epochs">
            <EpochTable epochs={epochs} />
          </Card>
        </>
      )}
    </>
  )
}
