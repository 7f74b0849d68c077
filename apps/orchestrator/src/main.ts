import { existsSync } from 'node:fs'
import { flagCount, flagMilliseconds } from '@layermill/contracts'
import { errorCode, exitAtLatest, exitCodes, LayermillError, untilStopped, version } from '@layermill/core'
import { createLogger } from '@layermill/core/log'
import { fleetWeights, fleetWeightsLoader, openFleetQueue } from '@layermill/inference'
import { openSource, openStore, requireExactSwaps } from '@layermill/storage'
import type { OpenSource } from './fleet/environment-options.js'
import { fleetEnvironment, startFleetRuns } from './fleet/environment.js'
import { type ProxyFlags, proxyOptions } from './fleet/proxy-options.js'
import { openFleetSchedules } from './fleet/schedules.js'
import { fleetTraining } from './fleet/training.js'
import { type WebhookFlags, webhookOptions } from './fleet/webhooks.js'
import { isLoopback } from './http/auth/loopback.js'
import { openTokens, type TokenStore } from './http/auth/token-store.js'
import { defaultTokensFile } from './http/auth/tokens-file.js'
import { Metrics } from './http/metrics.js'
import { createServer } from './http/server.js'
import { StoreInspection } from './inspect/store-inspection.js'
import { queueNotify, startWebhookWorker } from './notify/webhook-worker.js'
import { promotionNotice } from './registry/notice.js'
import { ModelRegistry } from './registry/registry.js'
import { resolvingRuns } from './registry/resolve-spec.js'
import { registryRoot } from './registry/root.js'
import { AllowedAddresses } from './service/allowed-addresses.js'
import { AllowedPlaces } from './service/allowed-places.js'
import { guardRuns, guardSchedules } from './service/guarded.js'
import { runPlanner } from './service/plan-run.js'
import { QueueFleetService } from './service/queue-fleet-service.js'
import { QueueRunService } from './service/queue-run-service.js'

export interface ServeOptions extends WebhookFlags, ProxyFlags {
  queue: string
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

/** Milliseconds for ending requests, handing back runs and closing the queue. */
const closeDeadline = 15_000

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
 * `layermill serve`: HTTP API and orchestrator of a fleet, until SIGTERM or Ctrl-C. Several may serve one queue.
 * @param dashboard the folder of the built dashboard; none is served where it is undefined
 * @throws LayermillError `TOKENS_REQUIRED` where it would be open to the network without tokens; what connecting throws.
 */
export async function serve(options: ServeOptions, dashboard: string | undefined): Promise<number> {
  const logger = createLogger({ level: options.logLevel })
  const tokens = await tokensOf(options, text => logger.warn(text))
  if (tokens === undefined && !isLoopback(options.host)) {
    throw new LayermillError('TOKENS_REQUIRED', `--host ${options.host} can be reached from the network and there are no tokens`, {
      hint: `make one with: layermill tokens add NAME --scopes admin${options.tokensFile === undefined ? '' : ` --tokens-file ${options.tokensFile}`}`,
    })
  }
  const note = (text: string): void => logger.info(text)
  const proxy = proxyOptions(options)
  const hooks = await webhookOptions(options)
  const root = registryRoot(options)
  await checkConditions(root, 'a registry of models')
  await checkConditions(options.state, 'schedules')
  const broker = await openFleetQueue(options.queue, text => logger.warn(text))
  const weights = fleetWeights(options.weightsStore, text => logger.info(text))
  const load = fleetWeightsLoader({ allowPrivate: options.allowPrivateWeights === true })
  const places = new AllowedPlaces({
    allowed: options.allowPath ?? [],
    registry: root,
    otherwise: tokens === undefined ? 'any-folder' : 'no-folder',
  })
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
  const registry = root === undefined ? undefined : new ModelRegistry(openStore(root), { onPromoted: promotionNotice(queueNotify(broker)) })
  const planRun = runPlanner(environment, fleetTraining(broker, { weights, load, note, openSource: guarded }))
  const runs = new QueueRunService(broker, { ...environment, planRun })
  const resolved = resolvingRuns(runs, registry)
  const schedules = await openFleetSchedules({
    broker,
    environment,
    runs: resolved,
    registry,
    state: options.state,
    notify: queueNotify(broker),
    note,
    warn: text => logger.warn(text),
  })
  const fleet = new QueueFleetService(broker, { weightsStore: weights?.store, resumeRun: async id => resolved.resume(id) })
  const server = await createServer({
    runs: guardRuns(resolved, places, addresses),
    models: registry,
    schedules: guardSchedules(schedules.service, places, addresses),
    fleet,
    tokens,
    logger,
    version,
    host: options.host,
    port: flagCount('--port', options.port, 0, 65_535),
    metrics: new Metrics({ version }),
    closeDeadline,
    dashboard,
    inspection: new StoreInspection(runs, environment),
    ...proxy,
  })
  try {
    await server.listen()
    const worker = startFleetRuns(broker, environment, {
      weights,
      load,
      openSource: guarded,
      lockDuration: flagMilliseconds('--lock-duration', options.lockDuration),
      note: text => logger.info(text),
    })
    const webhooks = startWebhookWorker(broker, { ...hooks, note })
    schedules.start()
    // Before it is said that it serves: who hears that may stop it.
    const stopped = untilStopped()
    logger.info({ queue: broker.describe(), weights: options.weightsStore }, 'serving')
    const signal = await stopped
    exitAtLatest(2 * closeDeadline, text => logger.warn(text))
    logger.info({ signal }, 'stopping: runs under way are handed back')
    await Promise.all(
      [server.close(), worker.close(), schedules.close(), webhooks.close()].map(async closing =>
        closing.catch((error: unknown) => logger.warn({ err: error }, 'while stopping')),
      ),
    )
  } finally {
    await runs.close().catch(() => undefined)
    await registry?.store.close().catch(() => undefined)
    await broker.close(closeDeadline)
  }
  return exitCodes.done
}
