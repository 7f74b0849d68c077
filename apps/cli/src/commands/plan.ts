import type { ExtractSpec } from '@layermill/jobs'
import { type PlanReport, planReport } from '@layermill/orchestrator/run'
import { exitCodes } from '../exit-codes.js'
import { formatBytes, formatCount, formatSeconds, formatTable } from '../output/format.js'
import type { Output } from '../output/output.js'
import { type RunOptions, withComposition } from './run.js'

function print(output: Output, spec: ExtractSpec, report: PlanReport): void {
  output.line(`${formatCount(report.images)} images (${formatBytes(report.sourceBytes)}) in ${spec.source}, ${formatCount(report.parts)} parts\n`)
  const rows = report.layers.map(({ name, shape, bytesPerImage, bytes }) => [name, shape.join('x'), formatBytes(bytesPerImage), formatBytes(bytes)])
  output.line(formatTable(['layer', 'shape', '>bytes/image', '>bytes'], rows))
  const room = report.freeBytes === undefined ? '' : `; ${formatBytes(report.freeBytes)} are free`
  output.line(`\nto be written: ${formatBytes(report.outputBytes)} to ${spec.out}${room}`)
  if (report.seconds !== undefined) {
    output.line(`time on this machine: about ${formatSeconds(report.seconds)} (${(report.images / report.seconds).toFixed(1)} images/s by a probe, batches of ${report.batchSize})`)
  }
  if (report.freeBytes !== undefined && report.outputBytes > report.freeBytes) {
    output.line('it does not fit: --pool avg, --dtype float16 or fewer layers take less')
  }
}

/** `layermill extract --plan`: what the run would read, compute, write and need; computes only a few batches, for the time. */
export async function planCommand(output: Output, spec: ExtractSpec, options: RunOptions): Promise<number> {
  return withComposition(output, spec, async ({ environment }) => {
    const report = await planReport(spec, await environment.openStore(spec.out), environment)
    if (options.json) output.json(report)
    else print(output, spec, report)
    return exitCodes.done
  }, async () => 'when asked for')
}
