import {
  describeLabelled,
  type ExtractSpec,
  phasesOf,
  type PredictSpec,
  type RunDetail,
  type RunRecord,
  type UpdateFound,
  type WorkerPhases,
} from '@layermill/contracts'
import { leftOutText } from '@layermill/models'
import { formatCount, formatPlural, formatSeconds } from '../output/format.js'
import type { Output } from '../output/output.js'

/** The line that says where a run's report is; empty where none was asked for. */
export async function reportLine(spec: ExtractSpec | PredictSpec): Promise<string> {
  if (spec.report !== true) return ''
  const { reportPlace } = await import('@layermill/orchestrator/report')
  return `\nreport: ${reportPlace(spec)}`
}

/**
 * Seconds of the last session, and images a second of those that it did, by computing or from the cache; empty where no time is known. An
 * update that found nothing, or a run that was done, did none.
 */
export function rateText({ counts, seconds }: Pick<RunRecord, 'counts' | 'seconds'>): string {
  if (seconds === undefined || seconds <= 0) return ''
  const { done, computed = done } = counts
  if (computed === done) return ` (${formatSeconds(seconds)}, ${(done / seconds).toFixed(1)} images/s)`
  const rate = computed === 0 ? '' : `, ${(computed / seconds).toFixed(1)} images/s`
  return ` (${formatCount(computed)} done now, ${formatCount(done - computed)} kept; ${formatSeconds(seconds)}${rate})`
}

/** Images that an update or a retry found, in a few words. */
export function foundText({ added, changed, deleted, retried }: UpdateFound): string {
  const all = [
    [added, 'new'],
    [changed, 'changed'],
    [deleted, 'deleted'],
    [retried, 'tried again'],
  ] as const
  const some = all.filter(([count]) => count > 0).map(([count, what]) => `${formatCount(count)} ${what}`)
  return some.length === 0 ? 'no image is new, changed or deleted' : some.join(', ')
}

/** Shares of their time in which workers had something to read, decode, compute, exchange or write, a line each. */
export function phaseLines(workers: readonly WorkerPhases[]): string[] {
  const names = phasesOf(workers)
  return workers.map(({ worker = 'one process', images, seconds }) => {
    const share = (taken = 0): string => `${Math.round((100 * taken) / Math.max(seconds.all, 1e-9))}%`
    return `${worker}: ${formatPlural(images, 'image')}, busy ${names.map(name => `${name} ${share(seconds[name])}`).join(', ')}`
  })
}

export type Registered = NonNullable<RunDetail['registered']>

/** Outcome for a model that a run registered, in one line. */
export function registeredLine({ name, version, event, reason }: Registered): string {
  return `${name}@${version}: ${event === 'promoted' ? 'promoted' : 'not promoted'}: ${reason}`
}

/** Tells what became of a model, to people or as a line of JSON. */
export function sayRegistered(output: Output, registered: Registered, json: boolean | undefined): void {
  if (json === true) output.json({ ...registered, event: 'registered', outcome: registered.event })
  else output.note(registeredLine(registered))
}

/** That values of features are no finite numbers, where they were written all the same. */
export function sayOverflow(output: Output, { overflow = 0 }: { readonly overflow?: number | undefined }, dtype: string): void {
  if (overflow === 0) return
  const what =
    dtype === 'float16'
      ? 'too large for float16, or no finite numbers as the network computes them'
      : 'no finite numbers as the network computes them'
  output.note(
    `warning: ${formatPlural(overflow, 'value')} in the features ${overflow === 1 ? 'is' : 'are'} NaN or infinite: ${what}; the column overflow of the index says in which images`,
  )
}

/** That features are of another version than the latest, and what to do. */
export function staleLine({ name, version, latest }: NonNullable<RunDetail['stale']>): string {
  return `made with ${name}@${version}, ${name}@latest is ${latest}: compute anew with the command that made them, with --update --model ${name}@latest`
}

/** Files that a listing left out, in one line; undefined where nobody would miss them. */
export function leftOutLine(leftOut: RunDetail['leftOut']): string | undefined {
  if (leftOut === undefined) return undefined
  const { total, since, reasons } = leftOut
  const missed = reasons.filter(({ expected, reason }) => expected !== true || reason === 'without a label')
  if (missed.length === 0) return undefined
  const more = since === undefined ? '' : `; counted from ${since} on`
  return `left out: ${leftOutText(missed)}${total > 0 ? `${more} (--strict makes that an error)` : more}`
}

/** Says what a listing left out, where somebody may miss it. */
export function sayLeftOut(output: Output, leftOut: RunDetail['leftOut']): void {
  const line = leftOutLine(leftOut)
  if (line !== undefined) output.note(line)
}

/** How far an int8 run agrees with float32. */
export function int8Line({ cosine, compared, top1, labelled, float32 }: NonNullable<RunDetail['calibration']>): string {
  const layers = Object.entries(cosine).map(
    ([layer, { mean, smallest }]) => `${layer} ${mean.toFixed(4)} (smallest ${smallest.toFixed(4)})`,
  )
  const classes = top1 === undefined ? [] : [`same class ${(top1 * 100).toFixed(1)}%`]
  const known = labelled === undefined ? [] : [describeLabelled(labelled)]
  const exact = float32 === undefined ? '' : `; computed in float32: ${float32.join(', ')}`
  return `cosine to float32 on ${compared} images: ${[...layers, ...classes, ...known].join(', ')}${exact}`
}

/** How far a run with `--decode draft` agrees with exact decoding. */
export function draftLine({ images, cosine }: NonNullable<RunRecord['draft']>): string {
  const layers = Object.entries(cosine).map(([layer, mean]) => `${layer} ${mean.toFixed(4)}`)
  return `cosine to exact decoding on ${formatPlural(images, 'image')}: ${layers.join(', ')}`
}

/** That images of a network's file were computed one at a time. */
export function sayOneByOne(output: Output, found: RunRecord['oneByOne']): void {
  if (found !== undefined) output.note(`images were computed one at a time in ${formatPlural(found.parts, 'part')}: ${found.reason}`)
}

/** That parts were computed by machines or versions whose results differ in their last bits. */
export function sayComputers(output: Output, computedBy: RunRecord['computedBy'] = []): void {
  if (computedBy.length < 2) return
  const kinds = computedBy.map(({ version, device, cpu, parts }) => `${version} on ${device} ${cpu} (${formatPlural(parts, 'part')})`)
  output.note(
    `warning: the parts are not of one kind of machine, so their last bits differ: ${kinds.join('; ')}; --require-cpu same lets one kind only compute`,
  )
}
