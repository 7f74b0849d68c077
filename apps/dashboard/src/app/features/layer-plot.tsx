import type { LayerComparison, RunDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { bytes, count, percent } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { Card, ProblemNote } from '../ui/parts.js'

const size = { width: 640, line: 22, least: 300 }
const margin = { left: 46, right: 170, top: 16, bottom: 30 }

type Layer = LayerComparison['layers'][number]

/** Powers of ten around some numbers. */
function decades(layers: readonly Layer[]): readonly [number, number] {
  const logs = layers.map(({ bytesPerImage }) => Math.log10(Math.max(1, bytesPerImage)))
  const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))]
  return high > low ? [low, high] : [low, low + 1]
}

/** Accuracy against bytes of an image, which go by decades: a point for each layer with its standard error, names beside. */
function Plot({ comparison: { layers, suggested } }: { comparison: LayerComparison }) {
  const height = Math.max(size.least, layers.length * size.line + margin.top + margin.bottom)
  const right = size.width - margin.right
  const [low, high] = decades(layers)
  const x = (value: number): number =>
    margin.left + 10 + ((Math.log10(Math.max(1, value)) - low) / (high - low)) * (right - margin.left - 30)
  const y = (share: number): number => height - margin.bottom - share * (height - margin.top - margin.bottom)
  const ordered = layers.toSorted((a, b) => b.accuracy - a.accuracy)
  const first = Math.min(Math.max(margin.top + 6, y(ordered[0]!.accuracy)), height - margin.bottom - layers.length * size.line)
  const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i)
  const text = ordered.map(({ layer, accuracy, bytesPerImage }) => `${layer} ${percent(accuracy)} at ${bytes(bytesPerImage)}`).join(', ')
  return (
    <svg viewBox={`0 0 ${size.width} ${height}`} role="img" aria-label={`Accuracy against bytes of an image: ${text}`}>
      {[0, 0.25, 0.5, 0.75, 1].map(share => (
        <g key={share}>
          <line class="grid" x1={margin.left} x2={right} y1={y(share)} y2={y(share)} />
          <text class="tick" x={margin.left - 6} y={y(share) + 4} text-anchor="end">
            {share * 100}%
          </text>
        </g>
      ))}
      {powers.map(power => (
        <text key={power} class="tick" x={x(10 ** power)} y={height - 8} text-anchor="middle">
          {bytes(10 ** power)}
        </text>
      ))}
      {ordered.map(({ layer, bytesPerImage, accuracy, standardError }, i) => {
        const labelY = Math.max(margin.top + 6, first) + i * size.line
        const [low95, high95] = [y(Math.max(0, accuracy - standardError)), y(Math.min(1, accuracy + standardError))]
        return (
          <g key={layer} class={layer === suggested ? 'line b' : 'line a'}>
            <polyline class="leader" points={`${x(bytesPerImage)},${y(accuracy)} ${right + 4},${labelY - 4}`} />
            <polyline points={`${x(bytesPerImage)},${low95} ${x(bytesPerImage)},${high95}`} />
            <circle cx={x(bytesPerImage)} cy={y(accuracy)} r={layer === suggested ? 6 : 4} />
            <text class="tick" x={right + 8} y={labelY}>
              {layer.length > 20 ? `${layer.slice(0, 19)}…` : layer} {percent(accuracy, 0)}
              {layer === suggested ? ' *' : ''}
            </text>
          </g>
        )
      })}
    </svg>
  )
}

/** How well the run's layers tell its classes, against what they take; computed when it is asked for. */
export function LayerPlot({ run }: { run: RunDetail }) {
  const [asked, setAsked] = useState(false)
  const { data, error } = usePolled<LayerComparison>(asked ? `/v1/runs/${run.id}/layers` : undefined, 0)
  return (
    <Card title="Layers" aside={<span class="muted">which of them tells the classes apart, and what it takes</span>}>
      {asked ? null : (
        <button type="button" onClick={() => setAsked(true)}>
          Compare the layers
        </button>
      )}
      <ProblemNote error={error} />
      {asked && data === undefined && error === undefined ? <p class="muted">Fitting a classifier to each layer …</p> : null}
      {data === undefined ? null : (
        <figure class="chart layer-plot">
          <Plot comparison={data} />
          <figcaption class="muted">
            Accuracy of a linear classifier on averaged maps, each of {count(data.images)} images of {count(data.classes)} classes judged by
            the others. * the smallest layer that is as good as the best, as far as this sample tells: {data.suggested}.
          </figcaption>
        </figure>
      )}
    </Card>
  )
}
