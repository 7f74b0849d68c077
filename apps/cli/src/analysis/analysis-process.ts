import type { AnalysisJob } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import type { AllowedPlacesOptions } from '@layermill/orchestrator/service'
import { auditDefaults } from '../audit/defaults.js'
import { compareDefaults } from '../compare/defaults.js'
import type { Output } from '../output/output.js'

/** Task of the process, as its argument has it in JSON. */
export interface AnalysisTask {
  readonly job: AnalysisJob & { readonly out: string }
  /** Places that lists of images may name. */
  readonly places: AllowedPlacesOptions
}

/** Last line of the process, in JSON. */
export type AnalysisAnswer =
  | { readonly done: true }
  | { readonly done: false; readonly code: string; readonly message: string; readonly hint?: string | undefined }

const quiet: Output = { line: () => undefined, json: () => undefined, note: () => undefined }

/** Settings as flags have them: numbers and lists in words. */
const asFlags = (settings: object = {}): Record<string, string | boolean> =>
  Object.fromEntries(
    Object.entries(settings as Record<string, string | number | boolean | readonly string[]>).map(([name, value]) => [
      name,
      typeof value === 'boolean' ? value : String(value),
    ]),
  )

/** The command's own audit or comparison, with its defaults, so that the bytes are the same. */
async function carryOut({ job, places }: AnalysisTask): Promise<void> {
  const { kind, store, layers, others, out, blocks, block, sets } = job
  if (kind === 'audit') {
    const { auditCommand } = await import('../commands/audit/action.js')
    const { AllowedPlaces } = await import('@layermill/orchestrator/service')
    const rules = new AllowedPlaces(places)
    const options = { ...auditDefaults, ...asFlags(job.audit), features: store, layer: layers, out, json: true }
    await auditCommand(quiet, undefined, { ...options, entriesOf: source => rules.entriesOf(source) })
    return
  }
  const { compareCommand } = await import('../commands/compare/action.js')
  await compareCommand(quiet, sets === undefined ? [store, ...others] : sets.map(({ place }) => place), {
    ...compareDefaults,
    ...asFlags(job.compare),
    layers,
    out,
    json: true,
    // The queue of the server's environment is not meant: this is what its queue asked for.
    queue: 'embedded',
    block: block === undefined ? undefined : { place: block, count: blocks, isForAnother: sets !== undefined },
    written: sets?.map(({ place, written = place }) => written),
  })
}

async function main(): Promise<void> {
  // The server holds the other end: where it is gone, another one has taken over.
  process.stdin.on('end', () => process.exit(1)).resume()
  let answer: AnalysisAnswer = { done: true }
  try {
    await carryOut(JSON.parse(process.argv[2] ?? '') as AnalysisTask)
  } catch (error) {
    const hint = error instanceof LayermillError ? error.hint : undefined
    answer = { done: false, code: errorCode(error), message: errorMessage(error), hint }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
  process.stdin.removeAllListeners('end').destroy()
}

await main()
