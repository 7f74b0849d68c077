import { leastRecall, mostExactRows, type OpenNeighbourIndex, recallRows } from '@layermill/analysis'
import { auditPath, flagCount } from '@layermill/contracts'
import { absolutePlace, exitCodes, interruptible, LayermillError } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import { writeResultFile } from '@layermill/orchestrator/results'
import { readAudited } from '@layermill/orchestrator/run'
import { openStore } from '@layermill/storage'
import { auditDefaults } from '../../audit/defaults.js'
import { driftOf, driftText } from '../../audit/drift.js'
import { auditImages, type AuditOptions, cannotBeToldApart, type Finding, findingKinds } from '../../audit/findings.js'
import { type AuditSource, auditedImages, type OpenedImages } from '../../audit/images.js'
import { KeptAudit } from '../../audit/kept.js'
import { leaksOf } from '../../audit/leaks.js'
import { loadNeighbourIndex } from '../../audit/neighbour-index.js'
import { lookAtPictures } from '../../audit/pictures.js'
import { sizeShortcuts } from '../../audit/quality.js'
import { auditHtml, type AuditReport } from '../../audit/report.js'
import { findingsCsv, findingsParquet, verdictKey, type Verdicts } from '../../audit/table.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatPlural } from '../../output/format.js'
import type { Output } from '../../output/output.js'

export interface AuditCommandOptions extends AuditSource {
  readonly reference?: string
  readonly heldOut?: string
  readonly labelScore: string
  readonly neighbours: string
  readonly labels?: string
  readonly outliers?: string
  readonly permutations: string
  readonly seed: string
  readonly verdicts?: string
  readonly skipPictures?: boolean
  readonly update?: boolean
  readonly out?: string
  readonly json?: boolean
  readonly server?: string
  readonly tokenFile?: string
  /** Of a server: images that a list at the source may name. */
  readonly entriesOf?: (source: string) => Promise<((place: string) => boolean) | undefined>
}

function labelScoreOf(text: string): 'self-confidence' | 'margin' {
  if (text === 'self-confidence' || text === 'margin') return text
  throw new LayermillError('SPEC_INVALID', `--label-score: got ${JSON.stringify(text)}, expected self-confidence or margin`)
}

function neighboursHow(text: string): 'auto' | 'exact' | 'index' {
  if (text === 'auto' || text === 'exact' || text === 'index') return text
  throw new LayermillError('SPEC_INVALID', `--neighbours: got ${JSON.stringify(text)}, expected auto, exact or index`)
}

/**
 * Opener of the index that finds neighbours; none where they are exact. Many images are looked at exactly where the index is not installed
 * and was not asked for: that takes hours from a million on, and is said.
 */
function indexFor(output: Output, how: string, rows: number): OpenNeighbourIndex | undefined {
  if (neighboursHow(how) === 'exact' || (how === 'auto' && rows <= mostExactRows)) return undefined
  try {
    return loadNeighbourIndex()
  } catch (error) {
    if (how === 'index' || !(error instanceof LayermillError)) throw error
    output.note(`${formatCount(rows)} images are compared with each other, which takes long; an index is faster: ${error.hint ?? ''}`)
    return undefined
  }
}

const recallText = (recall: number): string =>
  `neighbours by an index: ${(100 * recall).toFixed(1)}% of the exact ones of ${recallRows} images found` +
  (recall < leastRecall ? `, less than ${100 * leastRecall}%: --neighbours exact finds all` : '')

const countsOf = (findings: readonly Finding[]): Record<string, number> =>
  Object.fromEntries(findingKinds.map(kind => [kind, findings.filter(({ finding }) => finding === kind).length]))

/** Verdicts on earlier findings, by image and finding: of a file, else of the audit that the features' run keeps, as the dashboard does. */
async function verdictsOf({ verdicts: file, features }: AuditCommandOptions): Promise<Map<string, 'confirmed' | 'dismissed'>> {
  const run = absolutePlace(features, process.cwd())
  if (file === undefined) {
    await using store = openStore(run)
    if ((await store.stat(auditPath)) === undefined) return new Map()
  }
  const place = file === undefined ? `${run}/${auditPath}` : absolutePlace(file, process.cwd())
  const rows = await readAudited(place, async url => openStore(url))
  return new Map(rows.flatMap(({ key, finding = '', verdict }) => (verdict === undefined ? [] : [[verdictKey(key, finding), verdict]])))
}

/** Content of an audit's files. */
interface Written extends AuditReport {
  readonly verdicts: Verdicts
  /** Of the index that found the neighbours. */
  readonly recall: number | undefined
}

const isTable = (out: string): boolean => /\.(csv|parquet)$/i.test(out)

/** @throws LayermillError `SPEC_INVALID` where there is no folder to keep anything in */
function updatedFolder(out: string | undefined): string {
  if (out !== undefined && !isTable(out)) return out
  throw new LayermillError(
    'SPEC_INVALID',
    `--update: --out is ${out ?? 'not given'}, expected the folder that keeps what an update goes on from`,
  )
}

/** Writes a table alone, or a folder with audit.csv and report.html. Gives what was written, in words. */
async function write(out: string, written: Written): Promise<string> {
  const place = absolutePlace(out, process.cwd())
  const { findings, verdicts } = written
  if (isTable(out)) {
    await writeResultFile(place, /\.csv$/i.test(out) ? findingsCsv(findings, verdicts) : findingsParquet(findings, verdicts))
    return place
  }
  await using store = openStore(place)
  await store.put('audit.csv', findingsCsv(findings, verdicts))
  await store.put('report.html', auditHtml(written), { contentType: 'text/html; charset=utf-8' })
  return `${store.url}/audit.csv and report.html`
}

/** Audit of open images, by all that the command asks for. */
async function look(
  output: Output,
  { images, layer, spec }: OpenedImages,
  options: AuditCommandOptions & { readonly source: string | undefined },
  by: Pick<AuditOptions, 'product' | 'signal' | 'onProgress' | 'openIndex'> & { readonly kept?: KeptAudit | undefined },
): Promise<Omit<Written, 'facts'>> {
  const most = (flag: string, text: string | undefined, share: number): number =>
    text === undefined ? Math.ceil(images.source.rows * share) : flagCount(flag, text, 0, 100_000_000)
  const verdicts = await verdictsOf(options)
  const isDismissed = (key: string, finding: string): boolean => verdicts.get(verdictKey(key, finding)) === 'dismissed'
  const { findings, confusable, recall } = await auditImages(images, {
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
  const named = [...findings, ...leaks]
  const place = options.source === undefined ? spec.source : absolutePlace(options.source, process.cwd())
  const hasReport = options.out !== undefined && !isTable(options.out)
  const looked = await lookAtPictures(images, options.skipPictures === true ? undefined : place, spec, {
    ...by,
    allows: await options.entriesOf?.(place),
    isDismissed,
    others: hasReport ? named : undefined,
  })
  if (looked.unread > 0)
    output.note(`${formatPlural(looked.unread, 'picture')} of ${place} could not be read: whether they are dark or blurred is not known`)
  const { pictures } = looked
  return { findings: [...named, ...looked.findings], confusable, recall, shortcuts: sizeShortcuts(images), verdicts, drift, pictures }
}

/** Has a server audit a run of its own; the results are in the folder `audit` of that run. */
async function onServer(output: Output, source: string | undefined, options: AuditCommandOptions & { server: string }): Promise<number> {
  const { refuseLocalFlags, runIdOf, settingsOf, submitAnalysis } = await import('../../analysis/submit.js')
  const { reference, heldOut, labelScore, neighbours, labels, outliers, permutations, seed, verdicts, out, layer, server, tokenFile } =
    options
  refuseLocalFlags({
    'a source': source !== undefined,
    '--verdicts': verdicts !== undefined,
    '--out': out !== undefined,
  })
  const settings = settingsOf({
    heldOut: heldOut && runIdOf('--held-out', heldOut),
    reference: reference && runIdOf('--reference', reference),
    labelScore: labelScore === auditDefaults.labelScore ? undefined : labelScoreOf(labelScore),
    neighbours: neighbours === auditDefaults.neighbours ? undefined : neighboursHow(neighbours),
    labels: labels === undefined ? undefined : flagCount('--labels', labels, 0, 100_000_000),
    outliers: outliers === undefined ? undefined : flagCount('--outliers', outliers, 0, 100_000_000),
    permutations: permutations === auditDefaults.permutations ? undefined : flagCount('--permutations', permutations, 19, 100_000),
    seed: seed === auditDefaults.seed ? undefined : seed,
    skipPictures: options.skipPictures,
    update: options.update,
  })
  const body = { kind: 'audit', ...(layer === undefined ? {} : { layer }), settings } as const
  return submitAnalysis(output, runIdOf('--features', options.features), body, { server, tokenFile, json: options.json })
}

/** `layermill audit --features RUN`: what is wrong with the images of a run. */
export async function auditCommand(output: Output, source: string | undefined, options: AuditCommandOptions): Promise<number> {
  labelScoreOf(options.labelScore)
  if (options.server !== undefined) return onServer(output, source, { ...options, server: options.server })
  if (options.update === true) updatedFolder(options.out)
  const fast = await openProduct()
  const progress = new StepProgress(process.stderr)
  try {
    await interruptible(async signal => {
      await using opened = await auditedImages(output, options, source)
      const { rows } = opened.images.source
      const { product } = fast
      const onProgress = (step: string, done: number, total: number): void => progress.update(step, done, total)
      const openIndex = indexFor(output, options.neighbours, rows)
      await using folder = options.update === true ? openStore(absolutePlace(updatedFolder(options.out), process.cwd())) : undefined
      const kept = folder && (await KeptAudit.open(folder, opened.images, opened.layer, { signal, onProgress }))
      const found = await look(output, opened, { ...options, source }, { product, signal, onProgress, openIndex, kept })
      progress.finish()
      const change = kept?.change
      if (change !== undefined)
        output.note(
          `${formatPlural(change.fresh, 'new image')}, ${formatCount(change.gone)} gone since the last audit: the others are as found then`,
        )
      const { findings, confusable, shortcuts, drift, recall } = found
      const facts = [
        ['features', options.features],
        ['layer', opened.layer],
        ['images', formatCount(rows)],
        ['label score', options.labelScore],
        ['neighbours', recall === undefined ? 'exact' : recallText(recall)],
      ] as const
      const place = options.out === undefined ? undefined : await write(options.out, { ...found, facts })
      const counts = countsOf(findings)
      if (options.json) {
        output.json({
          images: rows,
          layer: opened.layer,
          neighbours: recall === undefined ? { by: 'exact' } : { by: 'index', recall },
          ...(change === undefined ? {} : { updated: { new: change.fresh, gone: change.gone } }),
          counts,
          confusable,
          shortcuts,
          ...(drift === undefined ? {} : { drift }),
          findings,
        })
        return
      }
      for (const [kind, count] of Object.entries(counts))
        if (kind !== 'leak' || options.heldOut !== undefined) output.line(`${kind}: ${formatPlural(count, 'image')}`)
      if (recall !== undefined) output.line(recallText(recall))
      const [first] = confusable
      if (first !== undefined) {
        const share = `${(100 * first.share).toFixed(1)}% of their images`
        output.line(`most alike classes: ${first.classes.join(' and ')}, ${share} are taken for the other`)
      }
      for (const {
        classes: [a, b],
        auc,
      } of confusable.filter(cannotBeToldApart))
        output.line(`cannot be told apart: ${a} and ${b}, area under the curve ${auc.toFixed(2)}`)
      for (const { class: name, size, images } of shortcuts)
        output.line(`the size tells the class: ${formatCount(images)} images of ${name} are ${size}, and hardly any other`)
      if (drift !== undefined) output.line(driftText(drift))
      if (place !== undefined) output.note(place)
    })
  } finally {
    progress.finish()
    await fast.close()
  }
  return exitCodes.done
}
