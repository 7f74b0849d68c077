import { definitions, escapeHtml, page, table } from '@layermill/orchestrator/results'
import type { Advice } from '@layermill/orchestrator/train'
import { formatBytes } from '../../output/format.js'

type LayerAdvice = Advice['layers'][number]

const [width, margin, labelWidth, line] = [760, { left: 62, right: 12, top: 16, bottom: 36 }, 200, 20]

/** Powers of ten from below the least to above the largest number. */
function decades(values: readonly number[]): readonly [number, number] {
  const logs = values.map(value => Math.log10(Math.max(1, value)))
  const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))]
  return high > low ? [low, high] : [low, low + 1]
}

/** Accuracy against bytes of an image (by decades), as an SVG: a point for each layer with its standard error, names beside. */
function plot({ layers, suggested }: Advice): string {
  const height = Math.max(320, layers.length * line + margin.top + margin.bottom)
  const right = width - margin.right - labelWidth
  const [low, high] = decades(layers.map(({ bytesPerImage }) => bytesPerImage))
  const x = (bytes: number): number => margin.left + ((Math.log10(Math.max(1, bytes)) - low) / (high - low)) * (right - margin.left - 20)
  const y = (accuracy: number): number => height - margin.bottom - accuracy * (height - margin.top - margin.bottom)
  const parts: string[] = []
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const at = y(share).toFixed(1)
    parts.push(`<line class="grid" x1="${margin.left}" x2="${right}" y1="${at}" y2="${at}"/>`)
    parts.push(`<text class="tick" text-anchor="end" x="${margin.left - 6}" y="${(y(share) + 4).toFixed(1)}">${share * 100}%</text>`)
  }
  for (let power = low; power <= high; power++)
    parts.push(
      `<text class="tick" text-anchor="middle" x="${x(10 ** power).toFixed(1)}" y="${height - 12}">${escapeHtml(formatBytes(10 ** power))}</text>`,
    )
  const ordered = layers.toSorted((a, b) => b.accuracy - a.accuracy)
  const first = Math.max(margin.top + 8, y(ordered[0]?.accuracy ?? 1))
  ordered.forEach((layer, i) =>
    parts.push(point(layer, { x, y, right }, Math.min(first, height - margin.bottom - layers.length * line) + i * line, suggested)),
  )
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Accuracy against bytes of an image, by layer">${parts.join('')}</svg>`
}

interface Scales {
  readonly x: (bytes: number) => number
  readonly y: (accuracy: number) => number
  readonly right: number
}

function point(layer: LayerAdvice, { x, y, right }: Scales, labelY: number, suggested: string): string {
  const { layer: name, bytesPerImage, accuracy, standardError } = layer
  const [cx, cy, end] = [x(bytesPerImage).toFixed(1), y(accuracy).toFixed(1), right + 8]
  const [low, high] = [y(Math.max(0, accuracy - standardError)).toFixed(1), y(Math.min(1, accuracy + standardError)).toFixed(1)]
  const style = name === suggested ? 'b' : 'a'
  const title = `${name}: ${(accuracy * 100).toFixed(1)}% at ${formatBytes(bytesPerImage)} an image`
  return `<path class="grid" fill="none" d="M${cx} ${cy}L${end - 4} ${(labelY - 4).toFixed(1)}"/>
<line class="line ${style}" x1="${cx}" x2="${cx}" y1="${low}" y2="${high}"/><circle class="dot ${style}" cx="${cx}" cy="${cy}" r="${name === suggested ? 6 : 4}"><title>${escapeHtml(title)}</title></circle>
<text class="tick" x="${end}" y="${labelY.toFixed(1)}">${escapeHtml(name)}${name === suggested ? ' *' : ''}</text>`
}

/** Advice as one HTML file that needs no other. @param facts model, source and settings */
export function adviceHtml(advice: Advice, facts: readonly (readonly [string, string])[]): string {
  const { images, classes, failed, layers, suggested } = advice
  const number = true
  const columns = [
    { title: 'layer' },
    { title: 'shape' },
    { title: 'numbers, averaged', number },
    { title: 'bytes an image', number },
    { title: 'accuracy', number },
    { title: 'standard error', number },
  ]
  const rows = layers.map(({ layer, shape, dimensions, bytesPerImage, accuracy, standardError }) => [
    layer === suggested ? `${layer} *` : layer,
    shape.join('x'),
    dimensions.toLocaleString('en-US'),
    formatBytes(bytesPerImage),
    `${(accuracy * 100).toFixed(1)}%`,
    `${(standardError * 100).toFixed(1)}%`,
  ])
  return page(
    `Where to cut: ${suggested}`,
    `<p>${escapeHtml(suggested)} (*) is the smallest layer that is as good as the best, as far as this sample tells.</p>
<p class="soft">A linear classifier on averaged maps of each layer; each image is judged by the others.</p>
${definitions('tiles', [
  ['images', images.toLocaleString('en-US')],
  ['classes', classes.toLocaleString('en-US')],
  ['layers', String(layers.length)],
  ...(failed.length === 0 ? [] : [['left out', String(failed.length)] as const]),
])}
<h2>Accuracy against bytes of an image</h2>${plot(advice)}
<h2>Layers</h2>${table('Layers', columns, rows)}
<h2>Settings</h2>${definitions('facts', facts)}`,
  )
}
