import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { ClassScore } from '@layermill/gpu-worker'
import type { PredictSpec } from '@layermill/jobs'
import { deleteRun } from '@layermill/orchestrator'
import { openStore, partOfPath, type Store } from '@layermill/storage'
import { specFromFlags } from '../flags.js'
import { csvRow } from '../output/csv.js'
import type { Output } from '../output/output.js'
import { absolutePlaces } from '../places.js'
import { carryOut, exitCodeOf, type RunOptions } from './run.js'

interface PredictionRow {
  readonly key: string
  readonly classes: readonly ClassScore[]
}

/** A finished run's predictions, in the order of its parts. */
async function* predictions(store: Store): AsyncGenerator<PredictionRow> {
  const keys: string[] = []
  for await (const { key } of store.list('predictions/')) if (partOfPath(key) !== undefined) keys.push(key)
  keys.sort((a, b) => partOfPath(a)! - partOfPath(b)!)
  for (const key of keys) {
    const text = new TextDecoder().decode((await store.get(key))!)
    for (const line of text.split('\n')) if (line !== '') yield JSON.parse(line) as PredictionRow
  }
}

function csvLines({ key, classes }: PredictionRow): string {
  return classes.map((score, rank) => csvRow([key, rank + 1, score.index, score.label, score.probability])).join('')
}

/** Puts the parts together into one file. */
async function writeFile(store: Store, out: string): Promise<void> {
  const csv = out.toLowerCase().endsWith('.csv')
  const lines = csv ? [csvRow(['key', 'rank', 'class', 'label', 'probability'])] : []
  for await (const row of predictions(store)) lines.push(csv ? csvLines(row) : `${JSON.stringify(row)}\n`)
  const name = basename(out)
  await openStore(out.slice(0, -name.length)).put(name, lines.join(''))
}

async function print(output: Output, store: Store, json: boolean): Promise<void> {
  for await (const row of predictions(store)) {
    if (json) output.json(row)
    else output.line([row.key, ...row.classes.map(({ label, probability }) => `  ${(probability * 100).toFixed(1).padStart(5)}%  ${label}`)].join('\n'))
  }
}

/**
 * `layermill predict SOURCE`: the likeliest classes of every image, on standard output or in a .csv or .jsonl file. Until the file is
 * written its parts are in a folder beside it (`FILE.run`), so that a run that was stopped goes on.
 */
export async function predictCommand(output: Output, source: string | undefined, options: RunOptions): Promise<number> {
  const spec = absolutePlaces((await specFromFlags('predict', source, options)) as PredictSpec, process.cwd())
  const folder = spec.out === undefined ? await mkdtemp(join(tmpdir(), 'layermill-predict-')) : `${spec.out}.run`
  try {
    const { record, store } = await carryOut(output, spec, folder, options)
    if (spec.out === undefined) {
      await print(output, store, options.json === true)
    } else {
      await writeFile(store, spec.out)
      if (record.counts.failed === 0) await deleteRun(store)
      output.line(`${record.counts.done} images${record.counts.failed > 0 ? `, ${record.counts.failed} failed (see ${folder}/errors)` : ''}: ${spec.out}`)
    }
    return exitCodeOf(record)
  } finally {
    if (spec.out === undefined) await rm(folder, { recursive: true, force: true })
  }
}
