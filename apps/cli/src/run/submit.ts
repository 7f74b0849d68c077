import { flagMilliseconds, runStoreUrl, type RunDetail, type RunRecord, type RunSpec } from '@layermill/contracts'
import { interruptible, LayermillError, withDeadline } from '@layermill/core'
import type { RunWorker } from '@layermill/orchestrator/service'
import { ensureDone, followRun } from '../client/follow.js'
import { HttpRunClient } from '../client/http-client.js'
import type { RunClient } from '../client/run-client.js'
import { readToken } from '../client/token.js'
import type { Output } from '../output/output.js'
import type { RunOptions } from './carry-out.js'
import { sayOneByOne } from './run-lines.js'

/** Fields shown of a run that ended. */
export type EndedRun = Pick<RunRecord, 'id' | 'counts' | 'layers' | 'seconds' | 'computedBy' | 'draft' | 'found'> &
  Pick<RunDetail, 'epochs' | 'registered' | 'failures' | 'dataset' | 'leftOut'>

/** Milliseconds for handing back runs and closing the queue. */
const closeDeadline = 10_000

type FleetOptions = Pick<
  RunOptions,
  'queue' | 'server' | 'tokenFile' | 'weightsStore' | 'lockDuration' | 'unfitDeadline' | 'allowPrivateWeights'
>

/** The queue that a command means: `--queue`, else, where no server is given, `LAYERMILL_QUEUE`. */
export function queueOf({
  queue,
  server,
}: {
  readonly queue?: string | undefined
  readonly server?: string | undefined
}): string | undefined {
  return queue ?? (server === undefined ? process.env['LAYERMILL_QUEUE'] || undefined : undefined)
}

/** Whether a command is carried out by a fleet. */
export function isRemote(options: Pick<RunOptions, 'queue' | 'server'>): boolean {
  const queue = queueOf(options)
  return options.server !== undefined || (queue !== undefined && queue !== 'embedded')
}

/** The error of a command for a fleet that is told none, or two. @param queue address, where one is given */
export function oneOfFleet(queue: string | undefined): LayermillError {
  const hint = 'layermill serve on this machine is --server http://localhost:8080; a run without it is in its own folder, as run.json'
  const given = queue === undefined ? 'neither' : 'both'
  return new LayermillError('SPEC_INVALID', `expected one of --queue and --server, got ${given}`, {
    hint: queue === undefined ? hint : undefined,
  })
}

/**
 * Connects to a fleet's server or queue. With a queue the action may call `orchestrate`: from then on this process also carries out runs,
 * so that no server is needed.
 * @throws LayermillError `SPEC_INVALID` where both or none are given; what connecting throws
 */
export async function withRunClient<Result>(
  output: Output,
  options: FleetOptions,
  action: (client: RunClient, orchestrate: () => void) => Promise<Result>,
): Promise<Result> {
  const { server, tokenFile, weightsStore, lockDuration, unfitDeadline, allowPrivateWeights = false } = options
  const queue = queueOf(options)
  if ((queue === undefined) === (server === undefined)) {
    throw oneOfFleet(queue)
  }
  if (server !== undefined) return action(new HttpRunClient(server, await readToken(tokenFile)), () => undefined)
  const { fleetEnvironment, fleetWeights, fleetWeightsLoader, openFleetQueue, QueueRunClient, startFleetRuns } =
    await import('../fleet/index.js')
  const note = (text: string): void => output.note(text)
  const broker = await openFleetQueue(queue!, note)
  try {
    const weights = fleetWeights(weightsStore, note)
    const load = fleetWeightsLoader({ allowPrivate: allowPrivateWeights })
    const unfit = unfitDeadline === undefined ? undefined : flagMilliseconds('--unfit-deadline', unfitDeadline)
    const environment = fleetEnvironment(broker, { weights, load, note, unfitDeadline: unfit })
    const lock = lockDuration === undefined ? {} : { lockDuration: flagMilliseconds('--lock-duration', lockDuration) }
    let runs: RunWorker | undefined
    try {
      return await action(new QueueRunClient(broker, environment), () => {
        runs ??= startFleetRuns(broker, environment, { weights, load, ...lock })
      })
    } finally {
      await withDeadline(runs?.close(), closeDeadline, () => undefined)
    }
  } finally {
    await broker.close(closeDeadline)
  }
}

/**
 * Submits a run to a fleet and shows how far it is until it has ended.
 * @throws Interrupted at Ctrl-C: the run stays queued, or goes on; LayermillError where it failed or was cancelled.
 */
export async function submitAndFollow(output: Output, spec: RunSpec, options: RunOptions): Promise<EndedRun> {
  // Refused before anything is connected.
  runStoreUrl(spec)
  return withRunClient(output, options, async (client, orchestrate) =>
    interruptible(async signal => {
      const asked = Date.now()
      const { id } = await client.submit(spec)
      orchestrate()
      output.note(`run ${id}`)
      const run = await followRun(client, id, { output, json: options.json === true, signal })
      if (run === undefined) {
        output.note(leaving(client, id, options))
        throw signal.reason
      }
      ensureDone(run, client)
      const { finished, oneByOne, layers = [], ...ended } = await client.get(id)
      const { seconds, epochs, registered, failures, dataset, leftOut, computedBy, draft, found } = ended
      if (finished !== undefined && Date.parse(finished) < asked) output.note('already done: it had ended before')
      sayOneByOne(output, oneByOne)
      const facts = { seconds, epochs, registered, failures, dataset, leftOut, computedBy, draft, found }
      return { id, counts: run.counts, layers, ...facts }
    }),
  )
}

function leaving(client: RunClient, id: string, { server }: RunOptions): string {
  const what =
    server === undefined
      ? `run ${id} stays queued: it goes on as soon as an orchestrator (layermill serve, or this command again) takes it`
      : `run ${id} goes on at the server`
  return `${what}\n  watch it:   layermill runs watch ${id} ${client.flag}\n  cancel it:  layermill runs cancel ${id} ${client.flag}`
}
