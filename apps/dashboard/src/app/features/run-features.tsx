import type { NeighbourList, Projection, RunDetail } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { compact, count, percent } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, Empty, ProblemNote } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'
import { groupColours, Scatter } from './scatter.js'
import { fewestForUmap, type Method, useMap } from './use-map.js'

const shownNeighbours = 12

function Look({ run, projection, point }: { run: string; projection: Projection; point: number | undefined }) {
  const image = point === undefined ? undefined : projection.points[point]
  if (image === undefined) return <p class="muted look-empty">Point at an image to see it; choose it to find those like it.</p>
  return (
    <div class="look" aria-live="polite">
      <Thumbnail run={run} part={image.part} name={image.key} alt={image.key} />
      <p class="mono">{image.key}</p>
      <p class="muted">
        {image.label === undefined ? '' : `${image.label} · `}part {image.part}
      </p>
    </div>
  )
}

function Neighbours({
  run,
  projection,
  point,
  neighbours,
  onChoose,
}: {
  run: string
  projection: Projection
  point: number
  neighbours: NeighbourList['neighbours']
  onChoose: (point: number) => void
}) {
  return (
    <Card
      title="Nearest images"
      aside={
        <span class="muted">
          to {projection.points[point]?.key}, of the {count(projection.points.length)} on the map, by cosine of all{' '}
          {count(projection.dimensions)} numbers
        </span>
      }
    >
      <ol class="neighbours">
        {neighbours.map(({ point: at, similarity }) => {
          const image = projection.points[at]
          return image === undefined ? null : (
            <li key={at}>
              <button type="button" onClick={() => onChoose(at)} title="Find those like this one">
                <Thumbnail run={run} part={image.part} name={image.key} alt={image.key} />
                <span class="mono">{image.key.split('/').at(-1)}</span>
                <span class="muted">{similarity.toFixed(3)}</span>
              </button>
            </li>
          )
        })}
      </ol>
    </Card>
  )
}

function Controls({
  run,
  layer,
  method,
  onLayer,
  onMethod,
}: {
  run: RunDetail
  layer: string
  method: Method
  onLayer: (layer: string) => void
  onMethod: (method: Method) => void
}) {
  return (
    <div class="map-controls">
      <label>
        Layer{' '}
        <select value={layer} onChange={event => onLayer(event.currentTarget.value)}>
          {(run.layers ?? []).map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <div class="segments" role="group" aria-label="Kind of map">
        {(['umap', 'pca'] as const).map(name => (
          <button key={name} type="button" aria-pressed={method === name} onClick={() => onMethod(name)}>
            {name.toUpperCase()}
          </button>
        ))}
      </div>
    </div>
  )
}

function Legend({ groups }: { groups: readonly string[] }) {
  if (groups.length < 2) return null
  return (
    <p class="groups">
      {groups.slice(0, groupColours).map((name, i) => (
        <span key={name} class={`g${i}`}>
          {name === '' ? 'no label' : name}
        </span>
      ))}
      {groups.length > groupColours ? <span class="muted">and {groups.length - groupColours} more</span> : null}
    </p>
  )
}

/** A layer's features, seen: a map of a sample, and the nearest neighbours of an image. */
export function RunFeatures({ run }: { run: RunDetail }) {
  const [layer, setLayer] = useState(run.layers?.at(-1)?.name ?? '')
  const [method, setMethod] = useState<Method>('umap')
  const [looked, setLooked] = useState<number>()
  const [chosen, setChosen] = useState<number>()
  const query = `layer=${encodeURIComponent(layer)}`
  const { data: projection, error } = usePolled<Projection>(layer === '' ? undefined : `/v1/runs/${run.id}/projection?${query}`, 0)
  const near = usePolled<NeighbourList>(
    chosen === undefined || projection === undefined
      ? undefined
      : `/v1/runs/${run.id}/neighbours?${query}&point=${chosen}&top=${shownNeighbours}`,
    0,
  )
  const { places, progress } = useMap(projection, method)
  useEffect(() => {
    setLooked(undefined)
    setChosen(undefined)
  }, [layer])
  if (layer === '') return <Empty title="This run has no features yet" />
  const labels = projection?.points.map(({ label }) => label ?? '') ?? []
  const groups = [...new Set(labels)].toSorted()
  const neighbours = near.data?.neighbours ?? []
  const ready = projection !== undefined && places.length === projection.points.length
  return (
    <>
      <Card title="Map of features" aside={<Controls run={run} layer={layer} method={method} onLayer={setLayer} onMethod={setMethod} />}>
        <ProblemNote error={error} />
        {ready ? (
          <>
            <div class="map">
              <Scatter
                points={projection.points}
                places={places}
                groups={groups}
                chosen={chosen}
                marked={new Set(neighbours.map(({ point }) => point))}
                onLook={setLooked}
                onChoose={setChosen}
              />
              <Look run={run.id} projection={projection} point={looked ?? chosen} />
            </div>
            <Legend groups={groups} />
            <p class="muted map-note" role="status">
              {count(projection.points.length)} of {compact(projection.images)} images, {count(projection.dimensions)} numbers each.{' '}
              {method === 'pca' || projection.points.length < fewestForUmap
                ? `The first two components hold ${percent((projection.variance[0] ?? 0) + (projection.variance[1] ?? 0), 0)} of the variance.`
                : progress < 1
                  ? `Settling, ${percent(progress, 0)}`
                  : 'Near each other means alike; distances far apart mean little.'}
            </p>
          </>
        ) : error === undefined ? (
          <p class="muted map-wait" role="status">
            Reading features and finding their components …
          </p>
        ) : null}
      </Card>
      {chosen === undefined || projection === undefined || near.data === undefined ? null : (
        <Neighbours run={run.id} projection={projection} point={chosen} neighbours={neighbours} onChoose={setChosen} />
      )}
    </>
  )
}
