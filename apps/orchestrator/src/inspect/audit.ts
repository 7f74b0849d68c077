import {
  type AuditFinding,
  type AuditKind,
  auditPath,
  type AuditQuery,
  type AuditVerdicts,
  type RunAudit,
  type RunDetail,
  type VerdictBody,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { changeObject, type Store } from '@layermill/storage'
import { Lru } from 'toad-cache'
import { csvRow, parseCsv } from '../run/csv.js'

/** Findings of a page. */
const pageLength = 60
/** Larger files are not read to be looked at: some hundred thousand findings. */
const largestFile = 16 * 1024 * 1024
/** Kinds of findings that are told. */
const mostKinds = 50

/** Run whose audit is looked at. */
interface Audited {
  readonly run: Pick<RunDetail, 'id'>
  readonly store: Store
}

/** Cells of an audit's file as they are, with the places of its columns. */
interface Cells {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** An audit's file as it was read last. */
interface Known {
  readonly etag: string
  readonly findings: readonly AuditFinding[]
}

const none = ({ url }: Store): LayermillError =>
  new LayermillError('NOT_RECORDED', `${url}: no audit of these images is there`, {
    hint: `layermill audit --features ${url} --out ${url}/audit writes one that is shown here.`,
  })

function cellsOf(bytes: Uint8Array): Cells {
  const [header = [], ...rows] = parseCsv(new TextDecoder().decode(bytes).replace(/^\uFEFF/, ''))
  return { header: header.map(column => column.trim().toLowerCase()), rows }
}

const numberOf = (text: string): number | undefined => (text === '' || !Number.isFinite(Number(text)) ? undefined : Number(text))

function findingOf({ header }: Cells, row: readonly string[]): AuditFinding {
  const cell = (column: string): string => row[header.indexOf(column)] ?? ''
  const verdict = cell('verdict').trim().toLowerCase()
  const [score, group] = [numberOf(cell('score')), numberOf(cell('group'))]
  return {
    key: cell('key'),
    finding: cell('finding'),
    ...(score === undefined ? {} : { score }),
    ...(group === undefined || !Number.isSafeInteger(group) || group < 0 ? {} : { group }),
    ...(cell('label') === '' ? {} : { label: cell('label') }),
    ...(cell('detail') === '' ? {} : { detail: cell('detail') }),
    ...(verdict === 'confirmed' || verdict === 'dismissed' ? { verdict } : {}),
  }
}

/** Counts of each kind, in the order in which they come. */
function kindsOf(findings: readonly AuditFinding[]): AuditKind[] {
  const kinds = new Map<string, { finding: string; open: number; confirmed: number; dismissed: number }>()
  for (const { finding, verdict } of findings) {
    const kind = kinds.get(finding) ?? { finding, open: 0, confirmed: 0, dismissed: 0 }
    kind[verdict ?? 'open']++
    kinds.set(finding, kind)
  }
  return [...kinds.values()].slice(0, mostKinds)
}

const nameOf = ({ key, finding }: Pick<AuditFinding, 'key' | 'finding'>): string => JSON.stringify([key, finding])

/** The file's text with other verdicts. Other cells stay as they are. @throws LayermillError `IMAGE_UNKNOWN` */
function judged(cells: Cells, { verdicts }: VerdictBody, run: string): string {
  const header = cells.header.includes('verdict') ? cells.header : [...cells.header, 'verdict']
  const column = header.indexOf('verdict')
  const wanted = new Map(verdicts.map(change => [nameOf(change), change]))
  const met = new Set<string>()
  const rows = cells.rows.map(row => {
    const name = nameOf(findingOf(cells, row))
    const change = wanted.get(name)
    if (change === undefined) return row
    met.add(name)
    return header.map((_, i) => (i === column ? (change.verdict ?? '') : (row[i] ?? '')))
  })
  for (const [name, { key, finding }] of wanted) {
    if (!met.has(name))
      throw new LayermillError('IMAGE_UNKNOWN', `The audit of the run ${run} has no finding ${finding} of the image ${key}`)
  }
  return [header, ...rows].map(csvRow).join('')
}

/** Audits in the folders of runs: what they found, and what people made of it. */
export class AuditFiles {
  private readonly known = new Lru<Known>(4, 10 * 60_000)

  /** One of an audit's images by its key. */
  async finding(opened: Audited, key: string): Promise<{ readonly key: string } | undefined> {
    return (await this.findings(opened)).find(finding => finding.key === key)
  }

  /** @throws LayermillError `NOT_RECORDED` */
  async page(opened: Audited, { finding, verdict, from = '0' }: AuditQuery): Promise<RunAudit> {
    const findings = await this.findings(opened)
    const kinds = kindsOf(findings)
    const kind = finding ?? (kinds.find(({ open }) => open > 0) ?? kinds[0])?.finding
    const shown = findings.filter(found => found.finding === kind && (verdict === 'all' || (found.verdict ?? 'open') === verdict))
    const end = Number(from) + pageLength
    return { kinds, findings: shown.slice(Number(from), end), ...(shown.length > end ? { next: String(end) } : {}) }
  }

  /** @throws LayermillError `NOT_RECORDED`, `IMAGE_UNKNOWN` */
  async judge({ store, run }: Audited, body: VerdictBody): Promise<AuditVerdicts> {
    await this.check(store)
    const kinds = await changeObject(
      store,
      auditPath,
      bytes => {
        if (bytes === undefined) throw none(store)
        const text = judged(cellsOf(bytes), body, run.id)
        const cells = cellsOf(new TextEncoder().encode(text))
        return { text, value: kindsOf(cells.rows.map(row => findingOf(cells, row))) }
      },
      () => new LayermillError('UNAVAILABLE', `${store.url}/${auditPath} is changed by others all the time`),
      'text/csv; charset=utf-8',
    )
    return { kinds: kinds ?? [] }
  }

  private async check(store: Store): Promise<string> {
    const entry = await store.stat(auditPath)
    if (entry === undefined) throw none(store)
    if (entry.bytes > largestFile)
      throw new LayermillError(
        'NOT_RECORDED',
        `${store.url}/${auditPath} is larger than ${largestFile / 2 ** 20} MiB, too large to look at`,
      )
    return entry.etag
  }

  private async findings({ store, run }: Audited): Promise<readonly AuditFinding[]> {
    const etag = await this.check(store)
    const known = this.known.get(run.id)
    if (known?.etag === etag) return known.findings
    const bytes = await store.get(auditPath)
    if (bytes === undefined) throw none(store)
    const cells = cellsOf(bytes)
    const findings = cells.rows.map(row => findingOf(cells, row)).filter(({ key, finding }) => key !== '' && finding !== '')
    this.known.set(run.id, { etag, findings })
    return findings
  }
}
