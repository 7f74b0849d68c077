import {
  columnDeviations,
  columnMeans,
  type Drift,
  driftTest,
  type Matrix,
  matrix,
  type MatrixProduct,
  sourceOf,
} from '@layermill/analysis'
import { flagCount } from '@layermill/contracts'
import { absolutePlace, exitCodes, interruptible, LayermillError } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import { csvRow, definitions, escapeHtml, page, table } from '@layermill/orchestrator/results'
import { readAudited } from '@layermill/orchestrator/run'
import { openStore, type Store } from '@layermill/storage'
import { auditComponents, type AuditedImages, auditImages, type Finding } from '../../audit/findings.js'
import { type AuditSource, auditedImages } from '../../audit/images.js'
import { openSets } from '../../compare/feature-sets.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatPlural } from '../../output/format.js'
import type { Output } from '../../output/output.js'

export interface AuditCommandOptions extends AuditSource {
  readonly reference?: string
  readonly labelScore: string
  readonly labels?: string
  readonly outliers?: string
  readonly permutations: string
  readonly seed: string
  readonly verdicts?: string
  readonly out?: string
  readonly json?: boolean
}

/** Most rows on each side of a drift test: its kernel matrix is that of both. */
const driftRows = 1000
/** Drift is told of below this p. */
const level = 0.05

function labelScoreOf(text: string): 'self-confidence' | 'margin' {
  if (text === 'self-confidence' || text === 'margin') return text
  throw new LayermillError('SPEC_INVALID', `--label-score: got ${JSON.stringify(text)}, expected self-confidence or margin`)
}

/** Rows spread evenly, at most so many. */
function thinned(x: Matrix, most: number): Matrix {
  const count = Math.min(most, x.rows)
  const result = matrix(count, x.columns)
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * x.rows) / count)
    result.data.set(x.data.subarray(row * x.columns, (row + 1) * x.columns), i * x.columns)
  }
  return result
}

async function driftOf(
  images: AuditedImages,
  layer: string,
  options: AuditCommandOptions,
  product: MatrixProduct,
  signal: AbortSignal,
): Promise<Drift> {
  await using opened = await openSets([options.reference!], layer)
  const reference = opened.sets[0]!.source
  if (reference.columns !== images.source.columns) {
    throw new LayermillError('ROW_INVALID', `--reference: ${layer} has ${reference.columns} numbers there, ${images.source.columns} here`)
  }
  const components = await auditComponents(reference, product, signal)
  const [old, fresh] = [await components.of(reference), await components.of(images.source)]
  const deviations = await columnDeviations(sourceOf(old), await columnMeans(sourceOf(old)))
  const permutations = flagCount('--permutations', options.permutations, 19, 100_000)
  return await driftTest(thinned(old, driftRows), thinned(fresh, driftRows), deviations, { product, permutations, seed: options.seed })
}

const kinds = ['exact-duplicate', 'near-duplicate', 'label', 'outlier'] as const

const countsOf = (findings: readonly Finding[]): Record<string, number> =>
  Object.fromEntries(kinds.map(kind => [kind, findings.filter(({ finding }) => finding === kind).length]))

const driftText = ({ p, raw, standardized }: Drift): string =>
  `${p <= level ? 'drift' : 'no drift seen'}: p ${p.toPrecision(3)} ` +
  `(MMD ${raw.statistic.toPrecision(3)}, p ${raw.p.toPrecision(3)}; standardised p ${standardized.p.toPrecision(3)})`

/** Finding of an image, as verdicts name it. */
const verdictKey = (key: string, finding: string): string => JSON.stringify([key, finding])

/** Verdicts on earlier findings, by image and finding. */
async function verdictsOf(file: string | undefined): Promise<Map<string, 'confirmed' | 'dismissed'>> {
  if (file === undefined) return new Map()
  const rows = await readAudited(absolutePlace(file, process.cwd()), async url => openStore(url))
  return new Map(rows.flatMap(({ key, finding = '', verdict }) => (verdict === undefined ? [] : [[verdictKey(key, finding), verdict]])))
}

interface Written {
  readonly findings: readonly Finding[]
  readonly verdicts: ReadonlyMap<string, string>
  readonly drift: Drift | undefined
  readonly facts: readonly (readonly [string, string])[]
}

/** Rows of an audit that were dismissed: they stay in the file, so that the next audit knows them too. */
function dismissedRows(verdicts: ReadonlyMap<string, string>): string[] {
  return [...verdicts].flatMap(([at, verdict]) => {
    const [key, finding] = JSON.parse(at) as [string, string]
    return verdict === 'dismissed' ? [csvRow([key, finding, '', '', '', '', verdict])] : []
  })
}

async function write(store: Store, { findings, verdicts, drift, facts }: Written): Promise<void> {
  const lines = findings.map(({ key, finding, score, group, label, detail }) =>
    csvRow([key, finding, score, group ?? '', label ?? '', detail ?? '', verdicts.get(verdictKey(key, finding)) ?? '']),
  )
  const header = csvRow(['key', 'finding', 'score', 'group', 'label', 'detail', 'verdict'])
  await store.put('audit.csv', [header, ...lines, ...dismissedRows(verdicts)].join(''))
  const columns = [
    { title: 'image' },
    { title: 'score', number: true },
    { title: 'group', number: true },
    { title: 'label' },
    { title: 'detail' },
  ]
  const tables = kinds.map(kind => {
    const rows = findings.filter(({ finding }) => finding === kind)
    const shown = rows
      .slice(0, 500)
      .map(({ key, score, group, label, detail }) => [key, score.toPrecision(4), String(group ?? ''), label ?? '', detail ?? ''])
    return `<h2>${kind}: ${formatCount(rows.length)}</h2>${rows.length === 0 ? '<p>None.</p>' : table(kind, columns, shown)}`
  })
  const html = page(
    'Audit',
    `${drift === undefined ? '' : `<p>${escapeHtml(driftText(drift))}</p>`}
<p class="soft">Findings are images to look at: a list of suspect labels is never right throughout, and is no list to delete.</p>
${tables.join('\n')}
<h2>Settings</h2>${definitions('facts', facts)}`,
  )
  await store.put('report.html', html, { contentType: 'text/html; charset=utf-8' })
}

/** `layermill audit --features RUN`: what is wrong with the images of a run. */
export async function auditCommand(output: Output, source: string | undefined, options: AuditCommandOptions): Promise<number> {
  const labelScore = labelScoreOf(options.labelScore)
  const most = (flag: string, text: string | undefined, rows: number, share: number): number =>
    text === undefined ? Math.ceil(rows * share) : flagCount(flag, text, 0, 100_000_000)
  const store = options.out === undefined ? undefined : openStore(absolutePlace(options.out, process.cwd()))
  const fast = await openProduct()
  const progress = new StepProgress(process.stderr)
  try {
    await interruptible(async signal => {
      const { images, layer, close } = await auditedImages(output, options, source)
      try {
        const { rows } = images.source
        const verdicts = await verdictsOf(options.verdicts)
        const findings = await auditImages(images, {
          isDismissed: (key, finding) => verdicts.get(verdictKey(key, finding)) === 'dismissed',
          product: fast.product,
          seed: options.seed,
          labelScore,
          labels: most('--labels', options.labels, rows, 0.05),
          outliers: most('--outliers', options.outliers, rows, 0.01),
          signal,
          onProgress: (step, done, total) => progress.update(step, done, total),
        })
        const drift = options.reference === undefined ? undefined : await driftOf(images, layer, options, fast.product, signal)
        progress.finish()
        const facts = [
          ['features', options.features],
          ['layer', layer],
          ['images', formatCount(rows)],
          ['label score', labelScore],
        ] as const
        if (store !== undefined) await write(store, { findings, verdicts, drift, facts })
        const counts = countsOf(findings)
        if (options.json) {
          output.json({ images: rows, layer, counts, ...(drift === undefined ? {} : { drift }), findings })
        } else {
          for (const [kind, count] of Object.entries(counts)) output.line(`${kind}: ${formatPlural(count, 'image')}`)
          if (drift !== undefined) output.line(driftText(drift))
          if (store !== undefined) output.note(`${store.url}/audit.csv and report.html`)
        }
      } finally {
        await close()
      }
    })
  } finally {
    progress.finish()
    await fast.close()
    await store?.close()
  }
  return exitCodes.done
}
