import type { ImagePage, RunDetail, RunImage } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { count, percent } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Pager } from '../ui/pager.js'
import { Card, Empty, Loading, ProblemNote } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'

function Nearest({ run, nearest: { part, key, label, similarity } }: { run: string; nearest: NonNullable<RunImage['nearest']> }) {
  return (
    <span class="nearest">
      <Thumbnail run={run} part={part} name={key} alt={`Nearest: ${key}`} />
      <span class="muted" title={key}>
        {label === undefined ? key.split('/').at(-1) : label} {similarity.toFixed(3)}
      </span>
    </span>
  )
}

function Picture({ run, image: { part, key, label, predicted, heldOut, nearest } }: { run: string; image: RunImage }) {
  const top = predicted?.[0]
  const wrong = top !== undefined && label !== undefined && top.label !== label
  return (
    <li>
      <Thumbnail run={run} part={part} name={key} alt={key} />
      <span class="mono" title={key}>
        {key.split('/').at(-1)}
      </span>
      {label === undefined ? null : <b>{label}</b>}
      {top === undefined ? null : (
        <span class={wrong ? 'bad' : 'muted'}>
          {wrong ? 'taken for ' : ''}
          {top.label}, {percent(top.probability, 0)}
        </span>
      )}
      {heldOut === true && top === undefined ? <span class="muted">held out</span> : null}
      {nearest === undefined ? null : <Nearest run={run} nearest={nearest} />}
    </li>
  )
}

interface NearestChoiceProps {
  readonly run: RunDetail
  readonly nearest: string
  /** Images that were looked at, once some were. */
  readonly compared: number | undefined
  readonly onNearest: (layer: string) => void
}

/** Layer by which the nearest image of each is looked for. */
function NearestChoice({ run, nearest, compared, onNearest }: NearestChoiceProps) {
  return (
    <>
      <label>
        Nearest of each{' '}
        <select value={nearest} onChange={event => onNearest(event.currentTarget.value)}>
          <option value="">not shown</option>
          {(run.layers ?? []).map(({ name }) => (
            <option key={name} value={name}>
              by {name}
            </option>
          ))}
        </select>
      </label>
      {compared === undefined || compared >= run.counts.done ? null : (
        <span class="muted">
          among {count(compared)} of {count(run.counts.done)} images, spread over the run
        </span>
      )}
    </>
  )
}

/** Contact sheet of a run: its images with their labels and what they were taken for. */
export function RunImages({ run }: { run: RunDetail }) {
  const [filter, setFilter] = useState<'all' | 'wrong'>('all')
  const [label, setLabel] = useState('')
  const [from, setFrom] = useState<readonly string[]>([])
  const [labels, setLabels] = useState<readonly string[]>([])
  /** Layer by which the nearest image of each is looked for; empty for none. */
  const [nearest, setNearest] = useState('')
  const at = from.at(-1)
  const query = [
    `filter=${filter}`,
    ...(label === '' ? [] : [`label=${encodeURIComponent(label)}`]),
    ...(at === undefined ? [] : [`from=${at}`]),
    ...(nearest === '' ? [] : [`nearest=${encodeURIComponent(nearest)}`]),
  ]
  const { data, error } = usePolled<ImagePage>(`/v1/runs/${run.id}/images?${query.join('&')}`, 0)
  if (data !== undefined && data.labels.some(name => !labels.includes(name)))
    setLabels([...new Set([...labels, ...data.labels])].toSorted())
  const predicts = run.kind !== 'extract'
  const choose = (next: () => void): void => {
    setFrom([])
    next()
  }
  return (
    <Card title="Images">
      <div class="sheet-tools">
        {predicts ? (
          <div class="segments" role="group" aria-label="Show images that are">
            {(['all', 'wrong'] as const).map(name => (
              <button key={name} type="button" aria-pressed={filter === name} onClick={() => choose(() => setFilter(name))}>
                {name === 'wrong' ? 'wrong, surest first' : name}
              </button>
            ))}
          </div>
        ) : null}
        {labels.length === 0 ? null : (
          <label>
            <span class="hidden">Class</span>
            <select value={label} onChange={event => choose(() => setLabel(event.currentTarget.value))}>
              <option value="">all classes</option>
              {labels.map(name => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {predicts ? null : <NearestChoice run={run} nearest={nearest} compared={data?.compared} onNearest={setNearest} />}
        {run.counts.failed === 0 ? null : <a href={link('runs', run.id, 'failures')}>Images left out ({run.counts.failed})</a>}
      </div>
      <ProblemNote error={error} />
      {data === undefined ? (
        error === undefined ? (
          <Loading what="images" />
        ) : null
      ) : data.images.length === 0 ? (
        <Empty title={filter === 'wrong' ? 'No image was taken for another class' : 'No images here'}>
          <p class="muted">
            {filter === 'wrong' ? 'Of images without a label nobody knows what they are.' : 'They come as parts of the run are committed.'}
          </p>
        </Empty>
      ) : (
        <ul class="sheet">
          {data.images.map(image => (
            <Picture key={`${image.part}/${image.key}`} run={run.id} image={image} />
          ))}
        </ul>
      )}
      <Pager from={from} next={data?.next} onTurn={setFrom} />
    </Card>
  )
}
