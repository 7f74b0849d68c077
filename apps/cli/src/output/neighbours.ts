import type { Neighbour } from '@layermill/orchestrator/features'
import { csvRow, type ResultFormat } from '@layermill/orchestrator/results'
import { formatTable } from './format.js'

const hasLabels = (neighbours: readonly Neighbour[]): boolean => neighbours.some(({ label }) => label !== undefined)

/** Neighbours for people: a line each, the nearest first. */
export function neighbourTable(neighbours: readonly Neighbour[]): string {
  const labels = hasLabels(neighbours)
  const rows = neighbours.map(({ key, label, distance }, i) => [
    String(i + 1),
    distance.toFixed(distance < 1000 ? 5 : 1),
    key,
    ...(labels ? [label ?? ''] : []),
  ])
  return formatTable(['>', '>distance', 'image', ...(labels ? ['label'] : [])], rows)
}

/** One neighbour for programs. */
export function neighbourRecord({ key, label, distance, part, row }: Neighbour, rank: number): Record<string, unknown> {
  return { rank, key, ...(label === undefined ? {} : { label }), distance, part, row }
}

/** Neighbours as a file's text. */
export function neighbourFile(neighbours: readonly Neighbour[], format: ResultFormat): string {
  if (format === 'jsonl') return neighbours.map((neighbour, i) => `${JSON.stringify(neighbourRecord(neighbour, i + 1))}\n`).join('')
  const rows = neighbours.map(({ key, label, distance }, i) => csvRow([i + 1, key, label ?? '', distance]))
  return [csvRow(['rank', 'key', 'label', 'distance']), ...rows].join('')
}
