import type { NeighbourList, Projection, RunDetail } from '@layermill/contracts'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { compact, count, percent } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, Empty, ProblemNote } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'
import { groupColours } from './colours.js'
import { ClassChannels, PictureChannels } from './channels.js'
import { Lassoed } from './lassoed.js'
import { LayerPlot } from './layer-plot.js'
import { type MapImages, useFeatureMap } from './use-feature-map.js'
import { PointMap } from './point-map.js'
import { type Predicted, usePredictions } from './use-predictions.js'

const shownNeighbours = 12

function Look({ run, images, point }: { run: string; images: MapImages; point: number | undefined }) {
  const image = point === undefined ? undefined : images.at(point)
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

interface NeighboursProps {
  readonly run: string
  readonly projection: Projection
  readonly to: string
  readonly neighbours: NeighbourList['neighbours']
  readonly onChoose: (key: string) => void
}

function Neighbours({ run, projection, to, neighbours, onChoose }: NeighboursProps) {
  return (
    <Card
      title="Nearest images"
      aside={
        <span class="muted">
          to {to}, of {count(projection.points.length)} spread over the run, by cosine of all {count(projection.dimensions)} numbers
        </span>
      }
    >
      <ol class="neighbours">
        {neighbours.map(({ point: at, similarity }) => {
          const image = projection.points[at]
          return image === undefined ? null : (
            <li key={at}>
              <button type="button" onClick={() => onChoose(image.key)} title="Find those like this one">
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

/** Colours of a map; `predicted:` and `error:` name the run whose predictions they are. */
type Colouring = 'label' | 'cluster' | `predicted:${string}` | `error:${string}`

interface ControlsProps {
  readonly run: RunDetail
  readonly layer: string
  readonly colouring: Colouring
  readonly predictions: Predicted['runs']
  readonly lasso: boolean
  readonly search: string
  readonly onLayer: (layer: string) => void
  readonly onColouring: (colouring: Colouring) => void
  readonly onLasso: (lasso: boolean) => void
  readonly onSearch: (search: string) => void
}

function Controls({ run, layer, colouring, predictions, lasso, search, onLayer, onColouring, onLasso, onSearch }: ControlsProps) {
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
      <label>
        Colour by{' '}
        <select value={colouring} onChange={event => onColouring(event.currentTarget.value as Colouring)}>
          <option value="label">label</option>
          <option value="cluster">cluster</option>
          {predictions.map(({ id, model, name = id }) => (
            <optgroup key={id} label={`${model}, ${name}`}>
              <option value={`predicted:${id}`}>prediction</option>
              <option value={`error:${id}`}>right or wrong</option>
            </optgroup>
          ))}
        </select>
      </label>
      <button type="button" aria-pressed={lasso} class={lasso ? 'primary' : ''} onClick={() => onLasso(!lasso)}>
        Lasso
      </button>
      <input
        type="search"
        aria-label="Find images on the map"
        placeholder="Find by name or label"
        value={search}
        onInput={event => onSearch(event.currentTarget.value)}
      />
    </div>
  )
}

function Legend({ names }: { names: readonly string[] }) {
  if (names.length < 2) return null
  return (
    <p class="groups">
      {names.slice(0, groupColours).map((name, i) => (
        <span key={name} class={`g${i}`}>
          {name}
        </span>
      ))}
      {names.length > groupColours ? <span class="muted">and {names.length - groupColours} more</span> : null}
    </p>
  )
}

/** Images near to the one that is chosen: of the sample, which holds it or the one most like its name. */
function useNeighbours(run: string, query: string, projection: Projection | undefined, key: string | undefined) {
  const point = key === undefined ? -1 : (projection?.points.findIndex(image => image.key === key) ?? -1)
  const { data } = usePolled<NeighbourList>(
    point < 0 ? undefined : `/v1/runs/${run}/neighbours?${query}&point=${point}&top=${shownNeighbours}`,
    0,
  )
  return point < 0 ? undefined : data?.neighbours
}

function found(images: MapImages | undefined, search: string): number[] {
  const words = search.trim().toLowerCase()
  if (images === undefined || words === '') return []
  return Array.from({ length: images.length }, (_, i) => i).filter(i => {
    const { key, label = '' } = images.at(i)!
    return key.toLowerCase().includes(words) || label.toLowerCase().includes(words)
  })
}

/** Whether a layer's features have places in the picture, and are no vector. */
const hasPlaces = (run: RunDetail, layer: string): boolean => {
  const shape = run.layers?.find(({ name }) => name === layer)?.shape ?? []
  return shape.length === 3 && shape[1]! * shape[2]! > 1
}

/** A layer's features, seen: a map of all images, those of a lasso as a list, and the nearest neighbours of an image. */
export function RunFeatures({ run }: { run: RunDetail }) {
  const [layer, setLayer] = useState(run.layers?.at(-1)?.name ?? '')
  const [colouring, setColouring] = useState<Colouring>('label')
  const [lasso, setLasso] = useState(false)
  const [search, setSearch] = useState('')
  const [looked, setLooked] = useState<number>()
  const [key, setKey] = useState<string>()
  const [taken, setTaken] = useState<readonly number[]>([])
  const { images, projection, done, error } = useFeatureMap(run.id, layer)
  const [by, ofRun] = colouring.split(':')
  const predictions = usePredictions(run, images, ofRun)
  const neighbours = useNeighbours(run.id, `layer=${encodeURIComponent(layer)}`, projection, key)
  useEffect(() => {
    setLooked(undefined)
    setKey(undefined)
    setTaken([])
  }, [layer, images?.length])
  const hits = useMemo(() => found(images, search), [images, search])
  const near = useMemo(() => {
    const keys = new Set((neighbours ?? []).map(({ point }) => projection?.points[point]?.key))
    return images === undefined || keys.size === 0
      ? []
      : Array.from({ length: images.length }, (_, i) => i).filter(i => keys.has(images.at(i)!.key))
  }, [images, neighbours])
  const marked = useMemo(() => new Set(taken.length > 0 ? taken : hits.length > 0 ? hits : near), [taken, hits, near])
  if (layer === '')
    return (
      <Empty title="This run has no features yet">
        <p class="muted">They come with its first committed part.</p>
      </Empty>
    )
  const own = images && { groups: images.groups, names: images.names }
  const shown =
    by === 'cluster'
      ? images && { groups: images.clusters, names: images.clusterNames }
      : ((by === 'predicted' ? predictions.predicted : by === 'error' ? predictions.errors : undefined) ?? own)
  const chosen = images === undefined || key === undefined ? undefined : images.find(key)
  return (
    <>
      <Card
        title="Map of features"
        aside={
          <Controls
            {...{ run, layer, colouring, lasso, search }}
            predictions={predictions.runs}
            onLayer={setLayer}
            onColouring={setColouring}
            onLasso={setLasso}
            onSearch={setSearch}
          />
        }
      >
        <ProblemNote error={error ?? predictions.error} />
        {images === undefined ? (
          error === undefined ? (
            <p class="muted map-wait" role="status">
              Reading features and finding their components …
            </p>
          ) : null
        ) : (
          <>
            <div class="map">
              <PointMap
                points={images.places}
                groups={shown!.groups}
                marked={marked}
                chosen={chosen}
                lasso={lasso}
                onLook={setLooked}
                onChoose={point => setKey(images.at(point)?.key)}
                onLasso={setTaken}
              />
              <Look run={run.id} images={images} point={looked ?? chosen} />
            </div>
            <Legend names={shown!.names} />
            <p class="muted map-note" role="status">
              {done < 1
                ? `${count(images.length)} of ${compact(run.counts.done)} images by their first two components; the map of all is ${percent(done, 0)} done.`
                : `${count(images.length)} of ${compact(run.counts.done)} images. Near each other means alike; distances far apart mean little.`}
              {search.trim() === '' ? '' : ` ${count(hits.length)} found.`}
            </p>
          </>
        )}
      </Card>
      {images === undefined || taken.length === 0 ? null : (
        <Lassoed run={run} images={taken.map(i => images.at(i)!)} onClear={() => setTaken([])} />
      )}
      {chosen === undefined || images === undefined || !hasPlaces(run, layer) ? null : (
        <PictureChannels key={`${layer}/${key}`} run={run.id} layer={layer} image={images.at(chosen)!} />
      )}
      {neighbours === undefined || projection === undefined || key === undefined ? null : (
        <Neighbours run={run.id} projection={projection} to={key} neighbours={neighbours} onChoose={setKey} />
      )}
      {images === undefined || images.names.length < 2 || (run.layers ?? []).length < 2 ? null : <LayerPlot run={run} />}
      {images === undefined || images.names.length < 2 ? null : <ClassChannels key={layer} run={run.id} layer={layer} />}
    </>
  )
}
