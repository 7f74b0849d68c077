import type { ExtractSpec, RunRecord } from '@layermill/contracts'
import { exitCodeOf } from '@layermill/core'
import { specFromFlags } from '../../flags.js'
import { sayFailures } from '../../output/failures.js'
import { formatCount, formatPlural } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { absolutePlaces } from '../../places.js'
import { resolveRegistered } from '../../registry/registry.js'
import { draftLine, foundText, rateText, reportLine, sayComputers, sayLeftOut, sayOverflow } from '../../run/run-lines.js'
import type { RunOptions } from '../../run/carry-out.js'
import { type EndedRun, isRemote, submitAndFollow } from '../../run/submit.js'

function summary(record: Pick<RunRecord, 'counts' | 'seconds' | 'layers'>): string {
  const { done, failed, parts, cached = 0 } = record.counts
  const rate = rateText(record)
  const layers = record.layers.map(({ name, shape }) => `${name} ${shape.join('x')}`).join(', ')
  return `${formatPlural(done, 'image')}${cached > 0 ? ` (${formatCount(cached)} from the cache)` : ''}${failed > 0 ? `, ${formatCount(failed)} failed` : ''}: ${layers} in ${formatPlural(parts, 'part')}${rate}`
}

async function extractHere(output: Output, spec: ExtractSpec, options: RunOptions): Promise<EndedRun> {
  const { carryOut } = await import('../../run/carry-out.js')
  const { record, failures } = await carryOut(output, spec, spec.out, options)
  return { ...record, failures }
}

/** `layermill extract SOURCE`: layers' activations of every image, as files. */
export async function extractCommand(output: Output, source: string | undefined, options: RunOptions): Promise<number> {
  const spec = await resolveRegistered(
    absolutePlaces((await specFromFlags('extract', source, options)) as ExtractSpec, process.cwd()),
    options,
  )
  if (spec.plan) return (await import('../../run/plan.js')).planCommand(output, spec, options)
  const record = isRemote(options) ? await submitAndFollow(output, spec, options) : await extractHere(output, spec, options)
  sayFailures(
    output,
    { failed: record.counts.failed, rows: record.failures ?? [], where: `all reasons are in ${spec.out}/errors/` },
    options.json,
  )
  if (options.json)
    output.json({
      event: 'done',
      id: record.id,
      out: spec.out,
      counts: record.counts,
      seconds: record.seconds,
      ...(record.found === undefined ? {} : { found: record.found }),
      ...(record.leftOut === undefined ? {} : { leftOut: record.leftOut }),
    })
  else output.line(`${summary(record)}\n${spec.out}${await reportLine(spec)}`)
  if (record.found !== undefined) output.note(`${spec.retryFailed ? 'retry' : 'update'}: ${foundText(record.found)}`)
  sayOverflow(output, record.counts, spec.dtype)
  sayLeftOut(output, record.leftOut)
  sayComputers(output, record.computedBy)
  if (record.draft !== undefined) output.note(draftLine(record.draft))
  return exitCodeOf(record)
}
