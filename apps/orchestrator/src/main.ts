import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { flagCount, flagMilliseconds } from '@layermill/contracts'
import { errorCode, exitAtLatest, exitCodes, layermillHome, LayermillError, untilStopped, version } from '@layermill/core'
import { createLogger } from '@layermill/core/log'
import { fleetWeights, type FleetWeights, fleetWeightsLoader, openFleetQueue } from '@layermill/inference'
import type { Broker } from '@layermill/queue'
import { openSource, openStore, requireExactSwaps } from '@layermill/storage'
import type { OpenSource } from './fleet/environment-options.js'
import { fleetEnvironment, startFleetRuns } from './fleet/environment.js'
import { openLooking } from './fleet/looking.js'
import { type ProxyFlags, proxyOptions } from './fleet/proxy-options.js'
import { openFleetSchedules } from './fleet/schedules.js'
import { fleetTraining } from './fleet/training.js'
import { type WebhookFlags, webhookOptions } from './fleet/webhooks.js'
import { isLoopback } from './http/auth/loopback.js'
import { openTokens, type TokenStore } from './http/auth/token-store.js'
import { defaultTokensFile } from './http/auth/tokens-file.js'
import { Metrics } from './http/metrics.js'
import { createServer } from './http/server.js'
import { queueNotify, startWebhookWorker } from './notify/webhook-worker.js'
import { promotionNotice } from './registry/notice.js'
import { ModelRegistry } from './registry/registry.js'
import { resolvingRuns } from './registry/resolve-spec.js'
import { registryRoot } from './registry/root.js'
import { AllowedAddresses } from './service/allowed-addresses.js'
import { type CarryOutAnalysis, QueueAnalyses, startAnalysisWorker } from './service/analyses.js'
import { AllowedPlaces, type AllowedPlacesOptions } from './service/allowed-places.js'
import { guardRuns, guardSchedules } from './service/guarded.js'
import { MemoryNeeds } from './service/memory-needs.js'
import { WeightsReach } from './service/weights-reach.js'
import { runPlanner } from './service/plan-run.js'
import { QueueFleetService } from './service/queue-fleet-service.js'
import { QueueRunService } from './service/queue-run-service.js'

export interface ServeOptions extends WebhookFlags, ProxyFlags {
  /** Default: a queue inside this process that is kept in `$LAYERMILL_HOME/queue`. */
  queue?: string
  /** Workers inside this process. Default: one where the queue is inside it as well, else none. */
  workers?: string
  host: string
  port: string
  tokensFile?: string
  weightsStore?: string
  allowPrivateWeights?: boolean
  registry?: string
  state?: string
  allowPath?: string[]
  lockDuration: string
  unfitDeadline: string
  logLevel: string
}

/** Parts of `serve` that come from other packages of the command, which this one does not know. */
export interface ServeParts {
  /** Folder of the built dashboard; undefined where none is served. */
  readonly dashboard: string | undefined
  /** Starts workers on a queue of this process. */
  readonly startWorkers: (broker: Broker, options: LocalWorkersOptions) => Promise<LocalWorkers>
  /** Carries out audits and comparisons, each in a process of its own. */
  readonly analyse: (places: AllowedPlacesOptions) => CarryOutAnalysis
  /** Called once with the server's URL, when runs are taken. */
  readonly onServing?: (url: string) => void
}

export interface LocalWorkersOptions {
  readonly count: number
  readonly lockDuration: number
  readonly weights: FleetWeights | undefined
  readonly allowPrivateWeights: boolean
  readonly logger: ReturnType<typeof createLogger>
}

/** Workers inside this process: drained before the queue closes, closed after it. */
export interface LocalWorkers {
  drain(deadlineMs: number): Promise<void>
  close(): Promise<void>
}

/** Whether the queue is the one inside this process. */
const isEmbedded = (queue: string | undefined): boolean => queue === undefined || queue === '' || queue === 'embedded'

/** Number of workers inside this process. @throws LayermillError `SPEC_INVALID` where a queue of its own would have none */
function workerCount({ queue, workers }: ServeOptions): number {
  const alone = isEmbedded(queue)
  return workers === undefined ? (alone ? 1 : 0) : flagCount('--workers', workers, alone ? 1 : 0, 64)
}

async function openQueue({ queue }: ServeOptions, warn: (text: string) => void): Promise<Broker> {
  if (!isEmbedded(queue)) return openFleetQueue(queue!, warn)
  return openFleetQueue('embedded', warn, join(layermillHome(), 'queue'))
}

/** Milliseconds for ending requests, handing back runs and closing the queue. */
const closeDeadline = 15_000
/** Milliseconds that workers inside this process get for their parts, which are short of that in all but the largest networks. */
const drainDeadline = 10_000

async function tokensOf(options: ServeOptions, warn: (text: string) => void): Promise<TokenStore | undefined> {
  const file = options.tokensFile ?? defaultTokensFile()
  if (options.tokensFile === undefined && !existsSync(file)) return undefined
  return openTokens(file, warn)
}

/** Refuses a place that two writers could spoil in silence, before anything is opened. One that cannot be reached now may be later. */
async function checkConditions(place: string | undefined, what: string): Promise<void> {
  if (place === undefined) return
  const store = openStore(place)
  try {
    await requireExactSwaps(store, what)
  } catch (error) {
    if (errorCode(error) === 'STORE_CONDITIONS') throw error
  } finally {
    await store.close()
  }
}

/**
 * `layermill serve`: HTTP API and orchestrator, until SIGTERM or Ctrl-C. Several may serve one queue. Without a queue it is a whole fleet
 * on one machine: the queue is in a folder of its own, and workers are in this process.
 * @throws LayermillError `TOKENS_REQUIRED` where it would be open to the network without tokens; what connecting throws.
 */
export async function serve(options: ServeOptions, parts: ServeParts): Promise<number> {
  const logger = createLogger({ level: options.logLevel })
  const tokens = await tokensOf(options, text => logger.warn(text))
  if (tokens === undefined && !isLoopback(options.host)) {
    throw new LayermillError('TOKENS_REQUIRED', `--host ${options.host} can be reached from the network and there are no tokens`, {
      hint: `make one with: layermill tokens add NAME --scopes admin${options.tokensFile === undefined ? '' : ` --tokens-file ${options.tokensFile}`}`,
    })
  }
  const proxy = proxyOptions(options)
  const hooks = await webhookOptions(options)
  const root = registryRoot(options)
  await checkConditions(root, 'a registry of models')
  await checkConditions(options.state, 'schedules')
  const count = workerCount(options)
  const broker = await openQueue(options, text => logger.warn(text))
  try {
    await serveQueue(broker, options, parts, { logger, tokens, proxy, hooks, root, count })
  } finally {
    await broker.close(closeDeadline)
  }
  return exitCodes.done
}

/** Settings from flags and files of `serve`, checked before the queue is opened. */
interface Checked {
  readonly logger: ReturnType<typeof createLogger>
  readonly tokens: TokenStore | undefined
  readonly proxy: ReturnType<typeof proxyOptions>
  readonly hooks: Awaited<ReturnType<typeof webhookOptions>>
  /** Root of the registry of models. */
  readonly root: string | undefined
  /** Workers inside this process. */
  readonly count: number
}

/** Serves an open queue until a signal comes. */
async function serveQueue(
  broker: Broker,
  options: ServeOptions,
  { dashboard, startWorkers, analyse, onServing }: ServeParts,
  { logger, tokens, proxy, hooks, root, count }: Checked,
): Promise<void> {
  const { state } = options
  const note = (text: string): void => logger.info(text)
  const warn = (text: string): void => logger.warn(text)
  const weights = fleetWeights(options.weightsStore, text => logger.info(text))
  const load = fleetWeightsLoader({ allowPrivate: options.allowPrivateWeights === true })
  const rule: AllowedPlacesOptions = {
    allowed: options.allowPath ?? [],
    registry: root,
    otherwise: tokens === undefined ? 'any-folder' : 'no-folder',
  }
  const places = new AllowedPlaces(rule)
  const memory = new MemoryNeeds()
  const addresses = new AllowedAddresses({
    privateWeights: options.allowPrivateWeights === true,
    privateWebhooks: options.allowPrivateWebhooks === true,
  })
  const guarded: OpenSource = async (source, rule) => openSource(source, { ...rule, allows: await places.entriesOf(source) })
  const environment = fleetEnvironment(broker, {
    weights,
    load,
    openSource: guarded,
    note,
    unfitDeadline: flagMilliseconds('--unfit-deadline', options.unfitDeadline),
  })
  const reach = new WeightsReach(load.options ?? {}, environment)
  const registry = root === undefined ? undefined : new ModelRegistry(openStore(root), { onPromoted: promotionNotice(queueNotify(broker)) })
  const planRun = runPlanner(environment, fleetTraining(broker, { weights, load, note, openSource: guarded }))
  const runs = new QueueRunService(broker, { ...environment, planRun })
  const looking = openLooking({ broker, runs, environment, places, registry, state, load, note, warn })
  const resolved = resolvingRuns(looking.runs, registry)
  const schedules = await openFleetSchedules({
    broker,
    environment,
    runs: resolved,
    registry,
    state,
    notify: queueNotify(broker),
    note,
    warn,
  })
  const fleet = new QueueFleetService(broker, { weightsStore: weights?.store, resumeRun: async id => resolved.resume(id) })
  const server = await createServer({
    runs: guardRuns(resolved, places, addresses, memory, reach),
    shelf: looking.runs,
    models: registry,
    schedules: guardSchedules(schedules.service, places, addresses, memory, reach),
    fleet,
    tokens,
    logger,
    version,
    host: options.host,
    port: flagCount('--port', options.port, 0, 65_535),
    metrics: new Metrics({ version }),
    closeDeadline,
    dashboard,
    inspection: looking.inspection,
    tries: looking.tries,
    analyses: new QueueAnalyses(broker, looking.runs),
    ...proxy,
  })
  const lockDuration = flagMilliseconds('--lock-duration', options.lockDuration)
  let workers: LocalWorkers | undefined
  try {
    const url = await server.listen()
    if (count > 0) {
      const allowPrivateWeights = options.allowPrivateWeights === true
      workers = await startWorkers(broker, { count, lockDuration, weights, allowPrivateWeights, logger })
    }
    const worker = startFleetRuns(broker, environment, { weights, load, openSource: guarded, lockDuration, note })
    const analyses = startAnalysisWorker(broker, { carryOut: analyse(rule), lockDuration, note })
    const webhooks = startWebhookWorker(broker, { ...hooks, note })
    schedules.start()
    // Before it is said that it serves: who hears that may stop it.
    const stopped = untilStopped()
    logger.info({ queue: broker.describe(), weights: options.weightsStore, workers: count }, 'serving')
    onServing?.(url)
    const signal = await stopped
    exitAtLatest(2 * closeDeadline, text => logger.warn(text))
    logger.info({ signal }, 'stopping: runs under way are handed back')
    await Promise.all(
      [server.close(), worker.close(), schedules.close(), webhooks.close(), analyses.close(), workers?.drain(drainDeadline)].map(
        async closing => closing?.catch((error: unknown) => logger.warn({ err: error }, 'while stopping')),
      ),
    )
  } finally {
    await server.close().catch(() => undefined)
    await runs.close().catch(() => undefined)
    await looking.close()
    await registry?.store.close().catch(() => undefined)
    await broker.close(closeDeadline)
    await workers?.close()
  }
}
