import { requireFloat16 } from '@layermill/engines'
import type { ExtractSpec, PredictSpec, RunPlan, RunSpec } from '@layermill/contracts'
import { exitCodes, LayermillError } from '@layermill/core'
import { checkSpec } from '@layermill/orchestrator/check'
import { type PlanReport, planReport } from '@layermill/orchestrator/run'
import { formatBytes, formatCount, formatPlural, formatSeconds, formatTable } from '../output/format.js'
import type { Output } from '../output/output.js'
import { foundText } from './run-lines.js'
import { type RunOptions, withComposition } from './carry-out.js'
import { withRunClient } from './submit.js'

/** Fate of the run that is at the destination, in a line. */
function existingLine(report: PlanReport): string | undefined {
  const { action, existing, found } = report
  if (existing === undefined) return action === 'replace' ? 'the run that is there would be replaced' : undefined
  const { images, done } = existing
  if (action === 'complete')
    return `already done with ${formatPlural(done, 'image')}: nothing to compute (--update looks for new and changed ones)`
  if (action === 'resume')
    return `an unfinished run is there: the results of ${formatCount(done)} of its ${formatPlural(images, 'image')} so far would be kept`
  if (action === 'retry')
    return `${formatCount(found?.retried ?? images - done)} of ${formatPlural(images, 'image')} had failed and would be tried again`
  if (action === 'renew') return `all ${formatPlural(report.images, 'image')} would be computed again, with another version of the model`
  return found && `update of ${formatPlural(images, 'image')}: ${foundText(found)}`
}

function print(output: Output, spec: ExtractSpec | PredictSpec, report: PlanReport): void {
  const existing = existingLine(report)
  if (existing !== undefined) output.line(existing)
  if (report.images === 0 && existing !== undefined) return
  output.line(
    `${formatPlural(report.images, 'image')} (${formatBytes(report.sourceBytes)}) in ${spec.source}, ${formatPlural(report.parts, 'part')}\n`,
  )
  if (spec.kind === 'extract') printLayers(output, spec, report)
  if (report.seconds !== undefined) {
    output.line(
      `time on this machine: about ${formatSeconds(report.seconds)} (${(report.images / report.seconds).toFixed(1)} images/s by a probe, batches of ${report.batchSize})`,
    )
  }
  if (report.freeBytes !== undefined && report.outputBytes > report.freeBytes) {
    output.line('it does not fit: --pool avg, --dtype float16 or fewer layers take less')
  }
}

function printLayers(output: Output, spec: ExtractSpec, report: PlanReport): void {
  const rows = report.layers.map(({ name, shape, bytesPerImage, bytes }) => [
    name,
    shape.join('x'),
    formatBytes(bytesPerImage),
    formatBytes(bytes),
  ])
  output.line(formatTable(['layer', 'shape', '>bytes/image', '>bytes'], rows))
  if (report.reduction !== undefined) {
    const { sample, passes, scratchBytes } = report.reduction
    const over = `a sample of ${formatPlural(sample, 'image')} in ${formatPlural(passes.length, 'pass', 'passes')}`
    output.line(`\nreduction: fitted to ${over}, ${formatBytes(scratchBytes)} of temporary files`)
    if (passes.length > 1) for (const [i, layers] of passes.entries()) output.line(`  pass ${i + 1}: ${layers.join(', ')}`)
  }
  const room = report.freeBytes === undefined ? '' : `; ${formatBytes(report.freeBytes)} are free`
  output.line(`\nto be written: ${formatBytes(report.outputBytes)} to ${spec.out}${room}`)
}

/** The same of a server, with what it reaches and has. @throws LayermillError the server's own error */
export async function planOnServer(output: Output, spec: RunSpec, options: RunOptions): Promise<RunPlan> {
  return withRunClient(output, options, client => client.plan(spec))
}

async function planHere(output: Output, spec: ExtractSpec | PredictSpec): Promise<PlanReport> {
  await checkSpec(spec)
  return withComposition(
    output,
    spec,
    async () => ({ model: spec }),
    async ({ environment, provider }) => {
      if (spec.precision === 'fp16') requireFloat16(await provider.openEngine())
      return planReport(spec, environment)
    },
  )
}

async function planThere(output: Output, spec: ExtractSpec | PredictSpec, options: RunOptions): Promise<PlanReport> {
  const plan = await planOnServer(output, spec, options)
  if (plan.kind === 'finetune') throw new LayermillError('UNAVAILABLE', `the server planned a fine-tuning run, expected ${spec.kind}`)
  const { freeBytes, seconds, ...report } = plan
  return { ...report, freeBytes, seconds }
}

/**
 * `layermill extract --plan` and `predict --plan`: what the run would read, compute, write and need; computes only a few batches, for the
 * time. With `--server` the server says it.
 */
export async function planCommand(output: Output, spec: ExtractSpec | PredictSpec, options: RunOptions): Promise<number> {
  const report = options.server === undefined ? await planHere(output, spec) : await planThere(output, spec, options)
  if (options.json) output.json(report)
  else print(output, spec, report)
  return exitCodes.done
}
