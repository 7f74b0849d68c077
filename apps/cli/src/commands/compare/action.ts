import { type Dissimilarity, dissimilarities, pairBlock, squareRdm } from '@layermill/analysis'
import { compareMeasures as measures, flagBytes, flagCount } from '@layermill/contracts'
import { absolutePlace, exitCodes, LayermillError, npyHeader, version } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import { csvRow } from '@layermill/orchestrator/results'
import { openStore, type Store } from '@layermill/storage'
import { compareDefaults } from '../../compare/defaults.js'
import { type Aligned, alignSets } from '../../compare/align.js'
import { type NamedSet, openSets } from '../../compare/feature-sets.js'
import { comparePairs, type Comparison, type Measure } from '../../compare/measures.js'
import { comparisonKey, noJournal, openJournal } from '../../compare/journal.js'
import { predictTargets, type SetPredictivity } from '../../compare/predictivity.js'
import { compareHtml, matrixOf, values } from '../../compare/report.js'
import { scaledSets, type ScaledSet } from '../../compare/scale.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'

export interface CompareCommandOptions {
  readonly layers?: string
  readonly measures?: string
  readonly rdm: string
  readonly minibatch?: string
  readonly partial?: string
  readonly targets?: string
  readonly folds: string
  readonly penalties?: string
  readonly permutations: string
  readonly bootstrap: string
  readonly seed: string
  readonly memory?: string
  readonly out?: string
  readonly writeRdm?: string
  readonly json?: boolean
  readonly server?: string
  readonly tokenFile?: string
  /** Share of a comparison that several processes work at: what it finds is in its journal alone. Not a flag. */
  readonly block?: { readonly place: number; readonly count: number } | undefined
}

/** Most rows for which all measures are computed where none are named: singular vectors take the cube of their number. */
const allMeasuresRows = 500

const refuse = (flag: string, got: string, choices: readonly string[]): LayermillError =>
  new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(got)}, expected ${choices.join(', ')}`)

function dissimilarityOf(text: string): Dissimilarity {
  const found = dissimilarities.find(kind => kind === text)
  if (found === undefined) throw refuse('--rdm', text, dissimilarities)
  return found
}

function measuresOf(text: string | undefined): ReadonlySet<Measure> | undefined {
  return text === undefined
    ? undefined
    : new Set(
        text.split(',').map(part => {
          const found = measures.find(measure => measure === part.trim())
          if (found === undefined) throw refuse('--measures', part, measures)
          return found
        }),
      )
}

type RdmForm = 'condensed' | 'square'

function formOf(text: string | undefined): RdmForm | undefined {
  if (text === undefined || text === 'condensed' || text === 'square') return text
  throw refuse('--write-rdm', text, ['condensed', 'square'])
}

function penaltiesOf(text: string | undefined): readonly number[] | undefined {
  return text?.split(',').map(part => {
    const value = Number(part)
    if (part.trim() !== '' && value > 0 && Number.isFinite(value)) return value
    throw new LayermillError('SPEC_INVALID', `--penalties: got ${JSON.stringify(part)}, expected numbers above 0 with commas`)
  })
}

/** The options, checked before anything is read. */
function settingsOf(options: CompareCommandOptions) {
  const form = formOf(options.writeRdm)
  if (form !== undefined && options.out === undefined && options.server === undefined) {
    throw new LayermillError('SPEC_INVALID', '--write-rdm: expected --out, the folder to write to')
  }
  return {
    rdm: dissimilarityOf(options.rdm),
    measures: measuresOf(options.measures),
    minibatch: options.minibatch === undefined ? undefined : flagCount('--minibatch', options.minibatch, 4, 1_000_000),
    permutations: flagCount('--permutations', options.permutations, 0, 1_000_000),
    bootstrap: flagCount('--bootstrap', options.bootstrap, 0, 1_000_000),
    memoryBytes: options.memory === undefined ? undefined : flagBytes('--memory', options.memory),
    seed: options.seed,
    folds: flagCount('--folds', options.folds, 2, 1000),
    penalties: penaltiesOf(options.penalties),
    form,
  }
}

/** A set's name as a file's, without folders. */
const fileName = (name: string): string => name.replaceAll(/[^\w.+-]+/g, '_').replace(/^\.+/, '_')

async function writeRdm(store: Store, form: RdmForm, set: NamedSet, rdm: Float64Array): Promise<void> {
  const size = set.source.rows
  const numbers = form === 'square' ? squareRdm({ size, values: rdm }) : rdm
  const header = npyHeader('<f8', form === 'square' ? [size, size] : [rdm.length])
  const bytes = new Uint8Array(header.length + numbers.byteLength)
  bytes.set(header)
  bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), header.length)
  await store.put(`rdm/${fileName(set.name)}.npy`, bytes)
}

/** Sets whose rows are beside each other, and the targets among them. */
interface Input extends Aligned {
  readonly sets: readonly ScaledSet[]
  readonly targets: NamedSet | undefined
}

/** Puts the targets beside the sets, whose rows are then those of images that have targets too. */
async function inputOf(sets: readonly NamedSet[], targets: readonly NamedSet[], place: string | undefined): Promise<Input> {
  if (place === undefined) {
    const aligned = alignSets(sets)
    return { ...aligned, sets: await scaledSets(aligned.sets), targets: undefined }
  }
  const [first, ...more] = targets
  if (first === undefined || more.length > 0) {
    throw new LayermillError('FEATURES_INVALID', `--targets: ${place} holds ${targets.length} tables of numbers, expected one`)
  }
  const aligned = alignSets([...sets, first])
  const scaled = await scaledSets(aligned.sets)
  return { ...aligned, sets: scaled.slice(0, -1), targets: scaled.at(-1) }
}

function partialOf(sets: readonly NamedSet[], name: string | undefined): number | undefined {
  if (name === undefined) return undefined
  const place = sets.findIndex(set => set.name === name)
  if (place >= 0) return place
  throw refuse(
    '--partial',
    name,
    sets.map(set => set.name),
  )
}

/** Content of every output: sets with their sizes, pairs with their values. */
function recordOf(
  { sets, rows, matchedBy, leftOut }: Aligned,
  { pairs, undefinedRows }: Comparison,
  predictivity: readonly SetPredictivity[] | undefined,
  settings: Record<string, unknown>,
) {
  return {
    sets: sets.map(({ name, place, source }) => ({
      name,
      place,
      rows,
      columns: source.columns,
      ...(leftOut.has(name) ? { rowsLeftOut: leftOut.get(name) } : {}),
      ...(undefinedRows.has(name) ? { undefinedRows: undefinedRows.get(name) } : {}),
    })),
    pairs,
    ...(predictivity === undefined ? {} : { predictivity }),
    matchedBy,
    ...settings,
  }
}

const biasNote =
  'Biased CKA and SVCCA of unrelated sets are high where there are many columns for the rows (0.93 for noise of 300 rows and 4,096 columns); debiased CKA is near 0 there, also a little below.'

type Summary = SetPredictivity['r2']

const predictivityText = (r2: Summary, pearson: Summary): string =>
  `R2 ${r2.mean?.toFixed(4) ?? 'undefined'}, correlation ${pearson.mean?.toFixed(4) ?? 'undefined'} (means over targets, held-out rows)`

async function writeAll(store: Store, aligned: Aligned, comparison: Comparison, record: ReturnType<typeof recordOf>): Promise<void> {
  const names = aligned.sets.map(({ name }) => name)
  await store.put('compare.json', `${JSON.stringify(record)}\n`)
  for (const value of values) {
    const cells = matrixOf(names, comparison.pairs, value)
    if (!cells.some(row => row.some(cell => cell !== undefined))) continue
    const lines = [csvRow(['', ...names]), ...cells.map((row, i) => csvRow([names[i]!, ...row.map(cell => cell ?? '')]))]
    await store.put(`${value.name}.csv`, lines.join(''))
  }
  const predicted = record.predictivity ?? []
  if (predicted.length > 0) {
    const lines = predicted.map(({ set, r2, pearson }) =>
      csvRow([set, r2.mean ?? '', r2.median ?? '', pearson.mean ?? '', pearson.median ?? '']),
    )
    await store.put('predictivity.csv', csvRow(['set', 'r2 mean', 'r2 median', 'pearson mean', 'pearson median']) + lines.join(''))
  }
  const facts = [
    ['rows', formatCount(aligned.rows)],
    ['matched by', aligned.matchedBy],
    ['version', version],
    ...predicted.map(({ set, targets, r2, pearson }) => [`${set} predicts ${targets}`, predictivityText(r2, pearson)] as const),
    ...record.sets.map(({ name, place, columns }) => [name, `${place}, ${formatCount(columns)} columns`] as const),
  ] as const
  const html = compareHtml({ names, pairs: comparison.pairs, facts: facts.map(([a, b]) => [a, b]), notes: [biasNote] })
  await store.put('report.html', html, { contentType: 'text/html; charset=utf-8' })
}

function sayPairs(output: Output, { pairs }: Comparison, predictivity: readonly SetPredictivity[] = []): void {
  const shown = values.filter(value => pairs.some(pair => value.of(pair) !== undefined))
  const rows = pairs
    .filter(({ a, b }) => a !== b || pairs.length === 1)
    .map(pair => [pair.a, pair.b, ...shown.map(value => value.of(pair)?.toFixed(6) ?? 'undefined')])
  output.line(formatTable(['a', 'b', ...shown.map(({ name }) => `>${name}`)], rows))
  for (const { set, targets, r2, pearson } of predictivity) output.line(`${set} predicts ${targets}: ${predictivityText(r2, pearson)}`)
}

/** Has a server compare runs of its own; the results are in the folder `compare` of the first. */
async function onServer(output: Output, places: readonly string[], options: CompareCommandOptions & { server: string }): Promise<number> {
  const { refuseLocalFlags, runIdOf, settingsOf: givenOf, submitAnalysis } = await import('../../analysis/submit.js')
  const { partial, targets, folds, penalties, seed, memory, out } = options
  refuseLocalFlags({
    '--targets': targets !== undefined,
    '--folds': folds !== compareDefaults.folds,
    '--penalties': penalties !== undefined,
    '--memory': memory !== undefined,
    '--out': out !== undefined,
  })
  const { rdm, measures: named, minibatch, permutations, bootstrap } = settingsOf(options)
  const settings = givenOf({
    measures: named && [...named],
    rdm: rdm === compareDefaults.rdm ? undefined : rdm,
    minibatch,
    partial,
    permutations: permutations === 0 ? undefined : permutations,
    bootstrap: bootstrap === 0 ? undefined : bootstrap,
    seed: seed === compareDefaults.seed ? undefined : seed,
    writeRdm: formOf(options.writeRdm),
  })
  const [run = '', ...others] = places.map(place => runIdOf('a run', place))
  const { layers, server, tokenFile, json } = options
  const body = { kind: 'compare', with: others, ...(layers === undefined ? {} : { layers }), settings } as const
  return submitAnalysis(output, run, body, { server, tokenFile, json })
}

/** `layermill compare A [B ...]`: all pairs of feature sets. */
export async function compareCommand(output: Output, places: readonly string[], options: CompareCommandOptions): Promise<number> {
  if (options.server !== undefined) return onServer(output, places, { ...options, server: options.server })
  const { form, measures: chosen, folds, penalties, ...settings } = settingsOf(options)
  const store = options.out === undefined ? undefined : openStore(absolutePlace(options.out, process.cwd()))
  const fast = await openProduct()
  const progress = new StepProgress(process.stderr)
  try {
    await stoppable(output, 'the block under way is finished', async signal => {
      await using opened = await openSets(places, options.layers)
      await using targets = options.targets === undefined ? undefined : await openSets([options.targets], undefined)
      const aligned = await inputOf(opened.sets, targets?.sets ?? [], options.targets)
      for (const [name, count] of aligned.leftOut)
        output.note(`${name}: ${formatCount(count)} rows without a partner in the others are left out`)
      if (aligned.matchedBy === 'row' && aligned.sets.length > 1) output.note('rows are matched by their order: not every set has keys')
      const all = aligned.rows <= allMeasuresRows ? measures : (['cka', 'rsa'] as const)
      const used = chosen ?? new Set<Measure>(all)
      const partial = partialOf(aligned.sets, options.partial)
      const wanted = { ...settings, partial, targets: options.targets, folds, penalties, measures: [...used] }
      const journal =
        store === undefined
          ? noJournal
          : await openJournal(store, await comparisonKey(aligned, wanted, aligned.targets), options.block?.place)
      const shared = {
        product: fast.product,
        journal,
        signal,
        onProgress: (step: string, done: number, total: number) => progress.update(step, done, total),
      }
      let comparison: Comparison
      let predictivity: SetPredictivity[] | undefined
      try {
        comparison = await comparePairs(aligned.sets, {
          ...settings,
          ...shared,
          measures: used,
          partial,
          block: options.block && pairBlock(options.block.place, options.block.count, aligned.sets.length),
          ...(store === undefined || form === undefined ? {} : { onRdm: (set, rdm) => writeRdm(store, form, set, rdm) }),
        })
        if (aligned.targets !== undefined)
          predictivity = await predictTargets(aligned.sets, aligned.targets, { ...shared, folds, penalties, seed: settings.seed })
      } finally {
        await journal.flush()
      }
      progress.finish()
      if (options.block !== undefined) return
      for (const [name, rows] of comparison.undefinedRows) {
        output.note(`${name}: ${formatCount(rows.length)} rows have no direction (constant or zero); they count as 1 from every other`)
      }
      const record = recordOf(aligned, comparison, predictivity, { rdm: settings.rdm, measures: [...used], seed: settings.seed })
      if (store !== undefined) await writeAll(store, aligned, comparison, record)
      await journal.finish()
      if (options.json) output.json(record)
      else sayPairs(output, comparison, predictivity)
      if (!options.json && store !== undefined) output.note(`${store.url}/report.html`)
    })
  } finally {
    progress.finish()
    await fast.close()
    await store?.close()
  }
  return exitCodes.done
}
