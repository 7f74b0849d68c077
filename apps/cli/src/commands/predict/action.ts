import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PredictSpec, runStoreUrl } from '@layermill/contracts'
import { exitCodeOf, printableName } from '@layermill/core'
import type { ImageAnswer } from '@layermill/inference'
import { networkIds } from '@layermill/models'
import type { Store } from '@layermill/storage'
import { specFromFlags } from '../../flags.js'
import { sayFailures } from '../../output/failures.js'
import { formatPlural } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { readPredictions } from '@layermill/orchestrator/results'
import { absolutePlaces } from '../../places.js'
import { resolveRegistered } from '../../registry/registry.js'
import { reportLine, sayComputers, sayLeftOut } from '../../run/run-lines.js'
import type { RunOptions } from '../../run/carry-out.js'
import { isRemote, submitAndFollow } from '../../run/submit.js'

/** An image's answer: classes with their probabilities, marked where labels are given, or numbers. */
function answerLines({ classes, labels, values = [], heads = {} }: ImageAnswer): string[] {
  return [
    ...Object.entries(heads).flatMap(([name, answer]) => [`  ${printableName(name)}`, ...answerLines(answer).map(line => `  ${line}`)]),
    ...classes.map(({ label, probability }) => {
      const mark = labels === undefined ? '' : labels.includes(label) ? '* ' : '  '
      return `  ${(probability * 100).toFixed(1).padStart(5)}%  ${mark}${printableName(label)}`
    }),
    ...values.map(({ label, value }) => `  ${value.toPrecision(6).padStart(12)}  ${printableName(label)}`),
  ]
}

async function print(output: Output, store: Store, json: boolean): Promise<void> {
  for await (const row of readPredictions(store)) {
    if (json) output.json(row)
    else output.line([printableName(row.key), ...answerLines(row)].join('\n'))
  }
}

function summary(counts: { done: number; failed: number }, spec: PredictSpec, folder: string): string {
  return `${formatPlural(counts.done, 'image')}${counts.failed > 0 ? `, ${counts.failed} failed (see ${folder}/errors)` : ''}: ${spec.out}`
}

/** Names the place where reasons of failed images are kept. */
const placeOf = ({ out }: PredictSpec, folder: string): string =>
  out === undefined ? 'with --out FILE all reasons are kept in FILE.run/errors/' : `all reasons are in ${folder}/errors/`

/**
 * `layermill predict SOURCE`: the likeliest classes of every image, on standard output or in a .csv or .jsonl file. Until the file is
 * written its parts are in a folder beside it (`FILE.run`), so that a run that was stopped goes on.
 */
export async function predictCommand(output: Output, source: string | undefined, options: RunOptions): Promise<number> {
  const spec = await resolveRegistered(
    absolutePlaces((await specFromFlags('predict', source, options)) as PredictSpec, process.cwd()),
    options,
  )
  if (/^random(:|$)/.test(spec.weights) && networkIds.includes(spec.model)) output.note('the weights are random: the classes mean nothing')
  if (spec.plan) return (await import('../../run/plan.js')).planCommand(output, spec, options)
  if (isRemote(options)) {
    const run = await submitAndFollow(output, spec, options)
    sayFailures(output, { failed: run.counts.failed, rows: run.failures ?? [], where: placeOf(spec, runStoreUrl(spec)) }, options.json)
    if (!options.json) output.line(`${summary(run.counts, spec, runStoreUrl(spec))}${await reportLine(spec)}`)
    sayLeftOut(output, run.leftOut)
    sayComputers(output, run.computedBy)
    return exitCodeOf(run)
  }
  const folder = spec.out === undefined ? await mkdtemp(join(tmpdir(), 'layermill-predict-')) : runStoreUrl(spec)
  try {
    const reasons = placeOf(spec, folder)
    const { record, store, failures } = await (await import('../../run/carry-out.js')).carryOut(output, spec, folder, options, { reasons })
    sayFailures(output, { failed: record.counts.failed, rows: failures, where: reasons }, options.json)
    if (spec.out === undefined) {
      await print(output, store, options.json === true)
    } else {
      output.line(`${summary(record.counts, spec, folder)}${await reportLine(spec)}`)
    }
    sayLeftOut(output, record.leftOut)
    sayComputers(output, record.computedBy)
    return exitCodeOf(record)
  } finally {
    if (spec.out === undefined) await rm(folder, { recursive: true, force: true })
  }
}
