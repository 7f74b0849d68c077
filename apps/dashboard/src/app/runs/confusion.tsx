import type { RunEvaluation } from '@layermill/contracts'
import { count, percent } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, TableBox } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'

/** More classes make no readable matrix: then only the pairs confused most are shown. */
const largest = 24

function Matrix({ classes, confusion }: Pick<RunEvaluation, 'classes' | 'confusion'>) {
  return (
    <TableBox label="Confusion matrix: classes in rows, predictions in columns">
      <thead>
        <tr>
          <th scope="col">Class</th>
          {classes.map(name => (
            <th key={name} scope="col" class="n">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody class="confusion">
        {confusion.map((row, label) => {
          const total = Math.max(
            1,
            row.reduce((sum, value) => sum + value, 0),
          )
          return (
            <tr key={classes[label]}>
              <th scope="row">{classes[label]}</th>
              {row.map((value, predicted) => (
                <td
                  key={classes[predicted]}
                  class={label === predicted ? 'n hit' : 'n miss'}
                  style={{ '--share': `${Math.round((value / total) * 55)}%` }}
                  title={`${classes[label] ?? ''} taken for ${classes[predicted] ?? ''}: ${value}`}
                >
                  {value === 0 ? <span class="muted">·</span> : value}
                </td>
              ))}
            </tr>
          )
        })}
      </tbody>
    </TableBox>
  )
}

function Pairs({ classes, confusion }: Pick<RunEvaluation, 'classes' | 'confusion'>) {
  const pairs = confusion
    .flatMap((row, label) => row.map((value, predicted) => ({ value, label, predicted })))
    .filter(({ value, label, predicted }) => value > 0 && label !== predicted)
  return (
    <TableBox label="Classes confused most">
      <thead>
        <tr>
          <th scope="col">Class</th>
          <th scope="col">taken for</th>
          <th scope="col" class="n">
            Images
          </th>
        </tr>
      </thead>
      <tbody>
        {pairs
          .toSorted((a, b) => b.value - a.value)
          .slice(0, 30)
          .map(({ value, label, predicted }) => (
            <tr key={`${label}/${predicted}`}>
              <th scope="row">{classes[label]}</th>
              <td>{classes[predicted]}</td>
              <td class="n">{count(value)}</td>
            </tr>
          ))}
      </tbody>
    </TableBox>
  )
}

/** Precision, recall and F1 of each class; those that are recognised worst first. */
function Classes({ classes, confusion }: Pick<RunEvaluation, 'classes' | 'confusion'>) {
  const rows = classes
    .map((name, i) => {
      const images = (confusion[i] ?? []).reduce((sum, value) => sum + value, 0)
      const taken = confusion.reduce((sum, row) => sum + (row[i] ?? 0), 0)
      const hits = confusion[i]?.[i] ?? 0
      return {
        name,
        images,
        recall: images === 0 ? undefined : hits / images,
        precision: taken === 0 ? undefined : hits / taken,
        f1: (2 * hits) / Math.max(1, images + taken),
      }
    })
    .toSorted((a, b) => a.f1 - b.f1)
  const share = (value: number | undefined): string => (value === undefined ? '–' : percent(value))
  return (
    <Card title="Classes">
      <TableBox label="Classes">
        <thead>
          <tr>
            <th scope="col">Class</th>
            {['Images', 'Precision', 'Recall', 'F1'].map(name => (
              <th key={name} scope="col" class="n">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, images, precision, recall, f1 }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="n">{count(images)}</td>
              <td class="n">{share(precision)}</td>
              <td class="n">{share(recall)}</td>
              <td class="n">{percent(f1)}</td>
            </tr>
          ))}
        </tbody>
      </TableBox>
    </Card>
  )
}

/** Confusion of a run's best epoch alone. */
export function ConfusionOf({ run, title }: { run: string; title: string }) {
  const { data } = usePolled<RunEvaluation>(`/v1/runs/${run}/evaluation`, 0)
  if (data === undefined) return null
  const { classes, confusion } = data
  return (
    <Card title={title} id={`confusion-${run}`} aside={<span class="muted">accuracy {percent(data.accuracy)}</span>}>
      {classes.length <= largest ? <Matrix classes={classes} confusion={confusion} /> : <Pairs classes={classes} confusion={confusion} />}
    </Card>
  )
}

/** How the best epoch does on held-out images: who is taken for whom, and the worst mistakes. */
export function Confusion({ run, epochs }: { run: string; epochs: number }) {
  const { data } = usePolled<RunEvaluation>(epochs === 0 ? undefined : `/v1/runs/${run}/evaluation`, epochs > 0 ? 10_000 : 0)
  if (data === undefined) return null
  const { classes, confusion, mistakes, epoch, samples, accuracy, macroF1 } = data
  return (
    <>
      <Card
        title="Confusion"
        aside={
          <span class="muted">
            epoch {epoch}, {count(samples)} held-out images, accuracy {percent(accuracy)}, mean F1 {percent(macroF1)}
          </span>
        }
      >
        {classes.length <= largest ? <Matrix classes={classes} confusion={confusion} /> : <Pairs classes={classes} confusion={confusion} />}
      </Card>
      <Classes classes={classes} confusion={confusion} />
      {mistakes.length === 0 ? null : (
        <Card title="Worst mistakes">
          <ul class="mistakes">
            {mistakes.map(({ key, label, predicted, probability }) => (
              <li key={key}>
                <Thumbnail run={run} part="mistakes" name={key} alt={key} />
                <b>{label}</b>
                <span class="bad">
                  taken for {predicted}, {percent(probability, 0)}
                </span>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  )
}
