import { type Dissimilarity, dissimilarities, squareRdm } from '@layermill/analysis'
import { flagBytes, flagCount } from '@layermill/contracts'
import { absolutePlace, exitCodes, LayermillError, npyHeader, version } from '@layermill/core'
import { openProduct } from '@layermill/engines'
import { csvRow } from '@layermill/orchestrator/results'
import { openStore, type Store } from '@layermill/storage'
import { type Aligned, alignSets } from '../../compare/align.js'
import { type NamedSet, openSets } from '../../compare/feature-sets.js'
import { comparePairs, type Comparison, type Measure, measures } from '../../compare/measures.js'
import { compareHtml, matrixOf, values } from '../../compare/report.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'

export interface CompareCommandOptions {
  readonly layers?: string
  readonly measures?: string
  readonly rdm: string
  readonly minibatch?: string
  readonly permutations: string
  readonly bootstrap: string
  readonly seed: string
  readonly memory: string
  readonly out?: string
  readonly writeRdm?: string
  readonly json?: boolean
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

/** The options, checked before anything is read. */
function settingsOf(options: CompareCommandOptions) {
  const form = formOf(options.writeRdm)
  if (form !== undefined && options.out === undefined) {
    throw new LayermillError('SPEC_INVALID', '--write-rdm: expected --out, the folder to write to')
  }
  return {
    rdm: dissimilarityOf(options.rdm),
    measures: measuresOf(options.measures),
    minibatch: options.minibatch === undefined ? undefined : flagCount('--minibatch', options.minibatch, 4, 1_000_000),
    permutations: flagCount('--permutations', options.permutations, 0, 1_000_000),
    bootstrap: flagCount('--bootstrap', options.bootstrap, 0, 1_000_000),
    memoryBytes: flagBytes('--memory', options.memory),
    seed: options.seed,
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

/** Content of every output: sets with their sizes, pairs with their values. */
function recordOf({ sets, rows, matchedBy, leftOut }: Aligned, { pairs, undefinedRows }: Comparison, settings: Record<string, unknown>) {
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
    matchedBy,
    ...settings,
  }
}

const biasNote =
  'Biased CKA and SVCCA of unrelated sets are high where there are many columns for the rows (0.93 for noise of 300 rows and 4,096 columns); debiased CKA is near 0 there, also a little below.'

async function writeAll(store: Store, aligned: Aligned, comparison: Comparison, record: ReturnType<typeof recordOf>): Promise<void> {
  const names = aligned.sets.map(({ name }) => name)
  await store.put('compare.json', `${JSON.stringify(record)}\n`)
  for (const value of values) {
    const cells = matrixOf(names, comparison.pairs, value)
    if (!cells.some(row => row.some(cell => cell !== undefined))) continue
    const lines = [csvRow(['', ...names]), ...cells.map((row, i) => csvRow([names[i]!, ...row.map(cell => cell ?? '')]))]
    await store.put(`${value.name}.csv`, lines.join(''))
  }
  const facts = [
    ['rows', formatCount(aligned.rows)],
    ['matched by', aligned.matchedBy],
    ['version', version],
    ...record.sets.map(({ name, place, columns }) => [name, `${place}, ${formatCount(columns)} columns`] as const),
  ] as const
  const html = compareHtml({ names, pairs: comparison.pairs, facts: facts.map(([a, b]) => [a, b]), notes: [biasNote] })
  await store.put('report.html', html, { contentType: 'text/html; charset=utf-8' })
}

function sayPairs(output: Output, { pairs }: Comparison): void {
  const shown = values.filter(value => pairs.some(pair => value.of(pair) !== undefined))
  const rows = pairs
    .filter(({ a, b }) => a !== b || pairs.length === 1)
    .map(pair => [pair.a, pair.b, ...shown.map(value => value.of(pair)?.toFixed(6) ?? 'undefined')])
  output.line(formatTable(['a', 'b', ...shown.map(({ name }) => `>${name}`)], rows))
}

/** `layermill compare A [B ...]`: all pairs of feature sets. */
export async function compareCommand(output: Output, places: readonly string[], options: CompareCommandOptions): Promise<number> {
  const { form, measures: chosen, ...settings } = settingsOf(options)
  const store = options.out === undefined ? undefined : openStore(absolutePlace(options.out, process.cwd()))
  const fast = await openProduct()
  const progress = new StepProgress(process.stderr)
  try {
    await stoppable(output, 'the block under way is finished', async signal => {
      await using opened = await openSets(places, options.layers)
      const aligned = alignSets(opened.sets)
      for (const [name, count] of aligned.leftOut)
        output.note(`${name}: ${formatCount(count)} rows without a partner in the others are left out`)
      if (aligned.matchedBy === 'row' && aligned.sets.length > 1) output.note('rows are matched by their order: not every set has keys')
      const all = aligned.rows <= allMeasuresRows ? measures : (['cka', 'rsa'] as const)
      const used = chosen ?? new Set<Measure>(all)
      const comparison = await comparePairs(aligned.sets, {
        ...settings,
        measures: used,
        product: fast.product,
        signal,
        onProgress: (step, done, total) => progress.update(step, done, total),
        ...(store === undefined || form === undefined ? {} : { onRdm: (set, rdm) => writeRdm(store, form, set, rdm) }),
      })
      progress.finish()
      for (const [name, rows] of comparison.undefinedRows) {
        output.note(`${name}: ${formatCount(rows.length)} rows have no direction (constant or zero); they count as 1 from every other`)
      }
      const record = recordOf(aligned, comparison, { rdm: settings.rdm, measures: [...used], seed: settings.seed })
      if (store !== undefined) await writeAll(store, aligned, comparison, record)
      if (options.json) output.json(record)
      else sayPairs(output, comparison)
      if (!options.json && store !== undefined) output.note(`${store.url}/report.html`)
    })
  } finally {
    progress.finish()
    await fast.close()
    await store?.close()
  }
  return exitCodes.done
}
