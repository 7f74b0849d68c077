import { flagCount } from '@layermill/contracts'
import { absolutePlace, exitCodes, interruptible, LayermillError } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import { csvRow, definitions, escapeHtml, page, table } from '@layermill/orchestrator/results'
import { readAudited } from '@layermill/orchestrator/run'
import { openStore, type Store } from '@layermill/storage'
import { driftOf, driftText, type ImageDrift } from '../../audit/drift.js'
import { type Audited, auditImages, type AuditOptions, type Finding } from '../../audit/findings.js'
import { type AuditSource, auditedImages, type OpenedImages } from '../../audit/images.js'
import { leaksOf } from '../../audit/leaks.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatPlural } from '../../output/format.js'
import type { Output } from '../../output/output.js'

export interface AuditCommandOptions extends AuditSource {
  readonly reference?: string
  readonly heldOut?: string
  readonly labelScore: string
  readonly labels?: string
  readonly outliers?: string
  readonly permutations: string
  readonly seed: string
  readonly verdicts?: string
  readonly out?: string
  readonly json?: boolean
}

function labelScoreOf(text: string): 'self-confidence' | 'margin' {
  if (text === 'self-confidence' || text === 'margin') return text
  throw new LayermillError('SPEC_INVALID', `--label-score: got ${JSON.stringify(text)}, expected self-confidence or margin`)
}

const kinds = ['exact-duplicate', 'near-duplicate', 'leak', 'label', 'outlier'] as const

const countsOf = (findings: readonly Finding[]): Record<string, number> =>
  Object.fromEntries(kinds.map(kind => [kind, findings.filter(({ finding }) => finding === kind).length]))

/** Finding of an image, as verdicts name it. */
const verdictKey = (key: string, finding: string): string => JSON.stringify([key, finding])

/** Verdicts on earlier findings, by image and finding. */
async function verdictsOf(file: string | undefined): Promise<Map<string, 'confirmed' | 'dismissed'>> {
  if (file === undefined) return new Map()
  const rows = await readAudited(absolutePlace(file, process.cwd()), async url => openStore(url))
  return new Map(rows.flatMap(({ key, finding = '', verdict }) => (verdict === undefined ? [] : [[verdictKey(key, finding), verdict]])))
}

interface Written extends Audited {
  readonly verdicts: ReadonlyMap<string, string>
  readonly drift: ImageDrift | undefined
  readonly facts: readonly (readonly [string, string])[]
}

/** Rows of an audit that were dismissed: they stay in the file, so that the next audit knows them too. */
function dismissedRows(verdicts: ReadonlyMap<string, string>): string[] {
  return [...verdicts].flatMap(([at, verdict]) => {
    const [key, finding] = JSON.parse(at) as [string, string]
    return verdict === 'dismissed' ? [csvRow([key, finding, '', '', '', '', verdict])] : []
  })
}

/** Tables of what is about the dataset rather than about one image. */
function overall({ drift, confusable }: Written): string {
  const differing =
    drift === undefined
      ? ''
      : `<p>${escapeHtml(driftText(drift))}</p>${table(
          'Images that differ most from the reference',
          [{ title: 'image' }, { title: 'probability to be new', number: true }],
          drift.images.map(({ key, probability }) => [key, probability.toFixed(3)]),
        )}`
  if (confusable.length === 0) return differing
  const columns = [{ title: 'class' }, { title: 'and' }, { title: 'images', number: true }, { title: 'share', number: true }]
  const rows = confusable.map(({ classes: [a, b], images, share }) => [a, b, formatCount(images), `${(100 * share).toFixed(1)}%`])
  return `${differing}<h2>Classes that are taken for each other</h2>${table('Classes', columns, rows)}`
}

async function write(store: Store, written: Written): Promise<void> {
  const { findings, verdicts, facts } = written
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
    `${overall(written)}
<p class="soft">Findings are images to look at: a list of suspect labels is never right throughout, and is no list to delete.</p>
${tables.join('\n')}
<h2>Settings</h2>${definitions('facts', facts)}`,
  )
  await store.put('report.html', html, { contentType: 'text/html; charset=utf-8' })
}

/** Audit of open images, by all that the command asks for. */
async function look(
  output: Output,
  { images, layer }: OpenedImages,
  options: AuditCommandOptions,
  by: Pick<AuditOptions, 'product' | 'signal' | 'onProgress'>,
): Promise<Omit<Written, 'facts'>> {
  const most = (flag: string, text: string | undefined, share: number): number =>
    text === undefined ? Math.ceil(images.source.rows * share) : flagCount(flag, text, 0, 100_000_000)
  const verdicts = await verdictsOf(options.verdicts)
  const isDismissed = (key: string, finding: string): boolean => verdicts.get(verdictKey(key, finding)) === 'dismissed'
  const { findings, confusable } = await auditImages(images, {
    ...by,
    isDismissed,
    seed: options.seed,
    labelScore: labelScoreOf(options.labelScore),
    labels: most('--labels', options.labels, 0.05),
    outliers: most('--outliers', options.outliers, 0.01),
  })
  const leaks: Finding[] = []
  if (options.heldOut !== undefined) {
    await using heldOut = await auditedImages(output, { features: options.heldOut, layer }, undefined)
    leaks.push(...(await leaksOf(images, heldOut.images, { ...by, isDismissed })))
  }
  const permutations = flagCount('--permutations', options.permutations, 19, 100_000)
  const drift =
    options.reference === undefined
      ? undefined
      : await driftOf(images, { ...by, reference: options.reference, layer, permutations, seed: options.seed })
  return { findings: [...findings, ...leaks], confusable, verdicts, drift }
}

/** `layermill audit --features RUN`: what is wrong with the images of a run. */
export async function auditCommand(output: Output, source: string | undefined, options: AuditCommandOptions): Promise<number> {
  labelScoreOf(options.labelScore)
  const store = options.out === undefined ? undefined : openStore(absolutePlace(options.out, process.cwd()))
  const fast = await openProduct()
  const progress = new StepProgress(process.stderr)
  try {
    await interruptible(async signal => {
      await using opened = await auditedImages(output, options, source)
      const { rows } = opened.images.source
      const { product } = fast
      const onProgress = (step: string, done: number, total: number): void => progress.update(step, done, total)
      const found = await look(output, opened, options, { product, signal, onProgress })
      progress.finish()
      const { findings, confusable, drift } = found
      const facts = [
        ['features', options.features],
        ['layer', opened.layer],
        ['images', formatCount(rows)],
        ['label score', options.labelScore],
      ] as const
      if (store !== undefined) await write(store, { ...found, facts })
      const counts = countsOf(findings)
      if (options.json) {
        output.json({ images: rows, layer: opened.layer, counts, confusable, ...(drift === undefined ? {} : { drift }), findings })
        return
      }
      for (const [kind, count] of Object.entries(counts))
        if (kind !== 'leak' || options.heldOut !== undefined) output.line(`${kind}: ${formatPlural(count, 'image')}`)
      const [first] = confusable
      if (first !== undefined) {
        const share = `${(100 * first.share).toFixed(1)}% of their images`
        output.line(`most alike classes: ${first.classes.join(' and ')}, ${share} are taken for the other`)
      }
      if (drift !== undefined) output.line(driftText(drift))
      if (store !== undefined) output.note(`${store.url}/audit.csv and report.html`)
    })
  } finally {
    progress.finish()
    await fast.close()
    await store?.close()
  }
  return exitCodes.done
}
