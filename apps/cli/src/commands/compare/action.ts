import { type MatrixProduct, pairBlock, squareRdm } from '@layermill/analysis'
import { compareMeasures as allMeasures } from '@layermill/contracts'
import { absolutePlace, exitCodes, LayermillError, npyHeader, version } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import { csvRow } from '@layermill/orchestrator/results'
import type { Broker } from '@layermill/queue'
import { openStore, type Store } from '@layermill/storage'
import { compareDefaults } from '../../compare/defaults.js'
import { type Aligned, alignSets } from '../../compare/align.js'
import { type NamedSet, openSets, type OpenSets } from '../../compare/feature-sets.js'
import { comparePairs, type Comparison, type Measure } from '../../compare/measures.js'
import { comparisonKey, noJournal, openJournal, requireBegun } from '../../compare/journal.js'
import { predictTargets, type SetPredictivity } from '../../compare/predictivity.js'
import { compareHtml, matrixOf, values } from '../../compare/report.js'
import { scaledSets, type ScaledSet } from '../../compare/scale.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'
import { type CompareCommandOptions, type ComparisonBlock, formOf, type RdmForm, refuse, settingsOf } from './settings.js'

/** Most rows for which all measures are computed where none are named: singular vectors take the cube of their number. */
const allMeasuresRows = 500

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

/** Address of the queue whose servers share the blocks; undefined where this process is alone. */
async function queueOf({ queue, server, out, block }: CompareCommandOptions): Promise<string | undefined> {
  if (block !== undefined || queue === 'embedded') return undefined
  const { oneOfFleet, queueOf: meant } = await import('../../run/submit.js')
  const found = meant({ queue, server })
  if (found === undefined || found === 'embedded') return undefined
  if (server !== undefined) throw oneOfFleet(found)
  if (out !== undefined) return found
  // The queue of the environment is for comparisons that write results.
  if (queue === undefined) return undefined
  throw new LayermillError('SPEC_INVALID', '--queue: expected --out, the folder in which servers keep what they find', {
    hint: 'a folder of a disk that all share, or s3://bucket/prefix',
  })
}

const openQueue = async (address: string, output: Output): Promise<Broker> =>
  (await import('@layermill/inference')).openFleetQueue(address, text => output.note(text))

/** Sets to compare, read and checked, and how. */
interface Prepared {
  readonly settings: ReturnType<typeof settingsOf>
  readonly aligned: Input
  readonly measures: ReadonlySet<Measure>
  /** Place of the set that is held constant. */
  readonly partial: number | undefined
  /** The folder of the results, where there is one, and the comparison's name in its journals. */
  readonly store: Store | undefined
  readonly key: string
}

/** Means of a comparison: arithmetic, an end, and somebody who is told of it. */
interface Running {
  readonly product: MatrixProduct
  readonly signal: AbortSignal
  readonly onProgress: (step: string, done: number, total: number) => void
}

const absolute = (place: string): string => absolutePlace(place, process.cwd())

async function prepare(
  output: Output,
  { sets }: OpenSets,
  targets: OpenSets | undefined,
  options: CompareCommandOptions,
  { settings, store }: Pick<Prepared, 'settings' | 'store'>,
): Promise<Prepared> {
  const aligned = await inputOf(sets, targets?.sets ?? [], options.targets)
  for (const [name, count] of aligned.leftOut)
    output.note(`${name}: ${formatCount(count)} rows without a partner in the others are left out`)
  if (aligned.matchedBy === 'row' && aligned.sets.length > 1) output.note('rows are matched by their order: not every set has keys')
  const all = aligned.rows <= allMeasuresRows ? allMeasures : (['cka', 'rsa'] as const)
  const measures = settings.measures ?? new Set<Measure>(all)
  const partial = partialOf(aligned.sets, options.partial)
  const { form: _form, ...named } = settings
  const wanted = {
    ...named,
    partial,
    targets: options.targets === undefined ? undefined : absolute(options.targets),
    measures: [...measures],
  }
  const key = store === undefined ? '' : await comparisonKey(aligned, wanted, aligned.targets)
  return { settings, aligned, measures, partial, store, key }
}

/** Does one block, whose values are then in its journal. */
async function carryOutBlock({ settings, aligned, measures, partial, store, key }: Prepared, block: ComparisonBlock, running: Running) {
  const { place, count, isForAnother } = block
  if (store === undefined) return
  if (isForAnother) await requireBegun(store, key)
  const journal = await openJournal(store, key, { block: place, isForAnother })
  try {
    await comparePairs(aligned.sets, {
      ...settings,
      ...running,
      journal,
      measures,
      partial,
      block: pairBlock(place, count, aligned.sets.length),
      onProgress: (step, done, total) => running.onProgress(`block ${place + 1} of ${count}, ${step}`, done, total),
    })
    await journal.end()
  } finally {
    await journal.flush()
  }
}

/** Has servers of a queue share the blocks. */
async function share(
  output: Output,
  broker: Broker,
  prepared: Prepared,
  places: readonly string[],
  { layers, targets, partial }: CompareCommandOptions,
  running: Running,
): Promise<void> {
  const { settings, store, measures } = prepared
  if (store === undefined) return
  const { overQueue } = await import('../../compare/over-queue.js')
  const { rdm, minibatch, permutations, bootstrap, seed, folds, penalties, memoryBytes: memory } = settings
  const numbers = { minibatch, permutations, bootstrap, folds, penalties: penalties && [...penalties], memory }
  const compare = {
    measures: [...measures],
    rdm,
    partial,
    seed,
    targets: targets === undefined ? undefined : absolute(targets),
    ...numbers,
  }
  const sets = places.map(place => ({ place: absolute(place), ...(absolute(place) === place ? {} : { written: place }) }))
  await overQueue({
    output,
    broker,
    store,
    key: prepared.key,
    count: prepared.aligned.sets.length,
    measures,
    job: { sets, compare, ...(layers === undefined ? {} : { layers }) },
    carryOut: block => carryOutBlock(prepared, block, running),
    ...running,
  })
}

/** Compares everything that no journal knows, and writes and says what was found. */
async function compareAll(output: Output, prepared: Prepared, { json }: CompareCommandOptions, running: Running): Promise<void> {
  const { settings, aligned, measures, partial, store, key } = prepared
  const { form, folds, penalties, seed, rdm } = settings
  const journal = store === undefined ? noJournal : await openJournal(store, key)
  let comparison: Comparison
  let predictivity: SetPredictivity[] | undefined
  try {
    comparison = await comparePairs(aligned.sets, {
      ...settings,
      ...running,
      journal,
      measures,
      partial,
      ...(store === undefined || form === undefined ? {} : { onRdm: (set, values) => writeRdm(store, form, set, values) }),
    })
    if (aligned.targets !== undefined)
      predictivity = await predictTargets(aligned.sets, aligned.targets, { ...running, journal, folds, penalties, seed })
  } finally {
    await journal.flush()
  }
  for (const [name, rows] of comparison.undefinedRows) {
    output.note(`${name}: ${formatCount(rows.length)} rows have no direction (constant or zero); they count as 1 from every other`)
  }
  const record = recordOf(aligned, comparison, predictivity, { rdm, measures: [...measures], seed })
  if (store !== undefined) await writeAll(store, aligned, comparison, record)
  await journal.finish()
  if (json === true) output.json(record)
  else sayPairs(output, comparison, predictivity)
  if (json !== true && store !== undefined) output.note(`${store.url}/report.html`)
}

/** An output that takes the line of progress away before it says anything. */
function belowProgress(output: Output, progress: StepProgress): Output {
  const after =
    <Said>(say: (said: Said) => void) =>
    (said: Said): void => {
      progress.finish()
      say(said)
    }
  return { line: after(text => output.line(text)), json: after(value => output.json(value)), note: after(text => output.note(text)) }
}

/** `layermill compare A [B ...]`: all pairs of feature sets. */
export async function compareCommand(output: Output, places: readonly string[], options: CompareCommandOptions): Promise<number> {
  const address = await queueOf(options)
  if (options.server !== undefined) return onServer(output, places, { ...options, server: options.server })
  const settings = settingsOf(options)
  const { block, out, layers, targets: targetsPlace } = options
  const store = out === undefined ? undefined : openStore(absolute(out))
  await using broker = address === undefined ? undefined : await openQueue(address, output)
  const fast = await openProduct()
  const progress = new StepProgress(process.stderr)
  const said = belowProgress(output, progress)
  try {
    await stoppable(output, 'the block under way is finished', async signal => {
      // Before anything is read for a folder that is not the command's.
      if (block?.isForAnother === true && store !== undefined) await requireBegun(store)
      await using opened = await openSets(places, layers, options.written)
      await using targets = targetsPlace === undefined ? undefined : await openSets([targetsPlace], undefined)
      const prepared = await prepare(said, opened, targets, options, { settings, store })
      const running = {
        product: fast.product,
        signal,
        onProgress: (step: string, done: number, total: number) => progress.update(step, done, total),
      }
      if (block !== undefined) return await carryOutBlock(prepared, block, running)
      if (broker !== undefined) await share(said, broker, prepared, places, options, running)
      return await compareAll(said, prepared, options, running)
    })
  } finally {
    progress.finish()
    await fast.close()
    await store?.close()
  }
  return exitCodes.done
}
