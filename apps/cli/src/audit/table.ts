import { csvRow } from '@layermill/orchestrator/results'
import { encodeTable } from '@layermill/storage'
import type { Finding } from './findings.js'

/** Verdicts on findings, by `verdictKey`. */
export type Verdicts = ReadonlyMap<string, string>

/** Finding of an image, as verdicts name it. */
export const verdictKey = (key: string, finding: string): string => JSON.stringify([key, finding])

interface TableRow {
  readonly key: string
  readonly finding: string
  readonly score: number | undefined
  readonly group: number | undefined
  readonly label: string | undefined
  readonly detail: string | undefined
  readonly verdict: string | undefined
}

/** Rows of an audit; what was dismissed stays in the file, so that the next audit knows it too. */
function rowsOf(findings: readonly Finding[], verdicts: Verdicts): TableRow[] {
  const rows = findings.map((finding): TableRow => ({ ...finding, verdict: verdicts.get(verdictKey(finding.key, finding.finding)) }))
  for (const [at, verdict] of verdicts) {
    const [key, finding] = JSON.parse(at) as [string, string]
    if (verdict === 'dismissed')
      rows.push({ key, finding, score: undefined, group: undefined, label: undefined, detail: undefined, verdict })
  }
  return rows
}

/** Findings as the text of a .csv file. */
export function findingsCsv(findings: readonly Finding[], verdicts: Verdicts): string {
  const lines = rowsOf(findings, verdicts).map(({ key, finding, score, group, label, detail, verdict }) =>
    csvRow([key, finding, score ?? '', group ?? '', label ?? '', detail ?? '', verdict ?? '']),
  )
  return [csvRow(['key', 'finding', 'score', 'group', 'label', 'detail', 'verdict']), ...lines].join('')
}

/** Findings as the bytes of a Parquet file with the same columns. */
export function findingsParquet(findings: readonly Finding[], verdicts: Verdicts): Uint8Array {
  const rows = rowsOf(findings, verdicts)
  const text = (name: 'key' | 'finding' | 'label' | 'detail' | 'verdict') =>
    ({ name, type: 'text', cells: rows.map(row => row[name]) }) as const
  return encodeTable([
    text('key'),
    text('finding'),
    { name: 'score', type: 'number', cells: rows.map(({ score }) => score) },
    { name: 'group', type: 'whole', cells: rows.map(({ group }) => group) },
    text('label'),
    text('detail'),
    text('verdict'),
  ])
}
