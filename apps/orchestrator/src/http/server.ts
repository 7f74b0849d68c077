import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import helmet from '@fastify/helmet'
import { errorCode, errorMessage, LayermillError, mostNesting, nestsDeeper } from '@layermill/core'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import type { App } from './app.js'
import { addProxySupport, type ProxyOptions, withoutBasePath } from './behind-proxy.js'
import type {
  AnalysisService,
  FleetService,
  InspectionService,
  ModelService,
  RunService,
  RunShelf,
  ScheduleService,
  TryService,
} from '@layermill/contracts'
import { Authenticator } from './auth/authenticate.js'
import { FailureLimiter, type FailureLimits } from './auth/failure-limiter.js'
import { refuseOpenServer } from './auth/loopback.js'
import type { TokenStore } from './auth/token-store.js'
import {
  boundAnalyses,
  boundFleet,
  boundInspection,
  boundModels,
  boundRuns,
  boundSchedules,
  boundShelf,
  boundTries,
} from './bounded-services.js'
import { addErrorHandling, answerBadUrl, answerMalformed } from './errors.js'
import type { Metrics } from './metrics.js'
import { addDocumentation, registerOpenApi } from './openapi.js'
import { requireAccess } from './route-access.js'
import { addAnalysisRoutes } from './routes/analyses.js'
import { addAuditRoutes } from './routes/audit.js'
import { addDashboard } from './routes/dashboard.js'
import { addEventRoute } from './routes/events.js'
import { addFleetRoutes } from './routes/fleet.js'
import { addInspectionRoutes } from './routes/inspection.js'
import { addModelRoutes } from './routes/models.js'
import { addOperationRoutes } from './routes/operations.js'
import { addRunRoutes, addShelfRoutes } from './routes/runs.js'
import { addScheduleRoutes } from './routes/schedules.js'
import { addSessionRoutes } from './routes/session.js'
import { addTryRoutes } from './routes/tries.js'
import { noModels } from './no-models.js'

export interface ServerOptions extends ProxyOptions {
  runs: RunService
  /** Memory of runs beside the queue. Default: no such routes. */
  shelf?: RunShelf
  fleet: FleetService
  /** Default: no schedules. */
  schedules?: ScheduleService
  /** The registry of models. Default: none, and questions about it are answered with 404. */
  models?: ModelService | undefined
  /** Store of the tokens whose callers may ask. Without any token the server binds loopback only. */
  tokens?: TokenStore
  /** Name or address to listen on. */
  host: string
  /** 0 for any free port. */
  port: number
  logger: Logger
  metrics: Metrics
  /** Layermill's version, for the OpenAPI document. */
  version: string
  /** Looks into what runs have written, for the dashboard. Default: no such routes. */
  inspection?: InspectionService
  /** Audits and comparisons of runs as jobs. Default: no such routes. */
  analyses?: AnalysisService
  /** Tries single pictures on models and runs. Default: no such routes. */
  tries?: TryService
  /** Folder of the dashboard that is shown at `/` (`dashboardFolder` of @layermill/dashboard). Default: no dashboard. */
  dashboard?: string
  /** Bytes. Default 256 KiB: a spec is small, and checking it holds up everybody else. */
  bodyLimit?: number
  failureLimits?: FailureLimits
  /** Milliseconds between comments on event streams. Default 15 s. */
  heartbeat?: number
  /** Clients that may follow runs at once. Default 500. */
  mostStreams?: number
  /** Of them with one token. Default 100. */
  mostStreamsOfOne?: number
  /** Milliseconds that runs and fleet get for an answer; then the client is told 503. Default 15 s. */
  serviceDeadline?: number
  /** Milliseconds that requests under way get when the server closes. Default 10 s. */
  closeDeadline?: number
}

export interface HttpServer {
  readonly app: App
  /** Starts listening and returns the server's URL. */
  listen(): Promise<string>
  /** Ends event streams, finishes the requests under way (within the deadline), and stops. */
  close(): Promise<void>
}

/** A client's own request id is kept where it is harmless. */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID()
}

function createApp({ logger, bodyLimit = 262_144, trustedProxies, basePath = '' }: ServerOptions): App {
  const loggerInstance: FastifyBaseLogger = logger
  return Fastify({
    loggerInstance,
    // `observe` logs requests.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' }),
    requestIdHeader: false,
    genReqId: requestId,
    bodyLimit,
    trustProxy: trustedProxies ?? false,
    rewriteUrl: ({ url = '/' }) => withoutBasePath(url, basePath),
    requestTimeout: 30_000,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: false },
    forceCloseConnections: 'idle',
    clientErrorHandler: answerMalformed(logger),
    frameworkErrors: answerBadUrl,
  }).withTypeProvider<ZodTypeProvider>()
}

function authenticate(app: App, { tokens, metrics, failureLimits, corsOrigins = [] }: ServerOptions): void {
  const authenticator = new Authenticator({
    tokens,
    corsOrigins,
    limiter: new FailureLimiter(failureLimits),
    onFailure: reason => metrics.counter('layermill_http_auth_failures_total').inc({ reason }),
  })
  app.decorateRequest('caller', null)
  requireAccess(app)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    request.caller = (await authenticator.check(request.routeOptions.config.access ?? 'public', request, reply)) ?? null
  })
}

/** One line a request in the log, and its time in the metrics. */
function observe(app: App, metrics: Metrics): void {
  const durations = metrics.histogram('layermill_http_request_duration_seconds')
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown'
    const stream = String(reply.getHeader('content-type') ?? '').startsWith('text/event-stream')
    if (!stream) durations.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000)
    request.log.info(
      {
        method: request.method,
        route,
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime),
        caller: request.caller?.name,
      },
      'request',
    )
    done()
  })
}

/** Refuses bodies that nest deeper than any request does, before they are parsed. */
function boundNesting(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = String(body)
    if (nestsDeeper(text)) done(new LayermillError('BODY_INVALID', `The body nests deeper than ${mostNesting} levels`))
    else void parse(request, text, done)
  })
}

/** Proxies disagree on which of several Host headers counts, so that none does. */
function refuseSeveralHosts(request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  const { rawHeaders } = request.raw
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length
  done(hosts > 1 ? new LayermillError('REQUEST_INVALID', `The request has ${hosts} Host headers, expected one`) : undefined)
}

async function addEverything(app: App, options: ServerOptions): Promise<void> {
  const { metrics, version, heartbeat = 15_000, mostStreams = 500, mostStreamsOfOne = 100, serviceDeadline = 15_000 } = options
  const runs = boundRuns(options.runs, serviceDeadline)
  const fleet = boundFleet(options.fleet, serviceDeadline)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  // Bodies are JSON; a form or plain text could be sent by any page without asking.
  app.removeContentTypeParser('text/plain')
  boundNesting(app)
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    referrerPolicy: { policy: 'no-referrer' },
    // Only where it is asked for; see `addProxySupport`.
    strictTransportSecurity: false,
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    done(null, payload)
  })
  app.addHook('onRequest', refuseSeveralHosts)
  await addProxySupport(app, options)
  authenticate(app, options)
  observe(app, metrics)
  addErrorHandling(app)
  await registerOpenApi(app, version, options.basePath)
  // In a plugin, so that the OpenAPI document sees every route.
  await app.register(async routes => {
    const typed = routes.withTypeProvider<ZodTypeProvider>()
    addRunRoutes(typed, runs)
    if (options.shelf !== undefined) addShelfRoutes(typed, boundShelf(options.shelf, serviceDeadline))
    addEventRoute(typed, { runs, metrics, heartbeat, mostStreams, mostStreamsOfOne })
    if (options.schedules !== undefined) addScheduleRoutes(typed, boundSchedules(options.schedules, serviceDeadline))
    addFleetRoutes(typed, fleet)
    addModelRoutes(typed, boundModels(options.models ?? noModels(), serviceDeadline))
    addOperationRoutes(typed, { runs, fleet, metrics })
    if (options.inspection !== undefined) {
      const inspection = boundInspection(options.inspection, serviceDeadline)
      addInspectionRoutes(typed, inspection)
      addAuditRoutes(typed, inspection)
    }
    if (options.analyses !== undefined) addAnalysisRoutes(typed, boundAnalyses(options.analyses, serviceDeadline))
    if (options.tries !== undefined) await addTryRoutes(typed, boundTries(options.tries, serviceDeadline))
    addSessionRoutes(typed, { version })
    if (options.dashboard !== undefined) await addDashboard(typed, options.dashboard)
    await addDocumentation(typed, options.basePath)
  })
  await app.ready()
}

/** An error of listening, for people: the port is taken, needs rights, or the address is none of this machine's. */
function listenError(error: unknown, host: string, port: number): LayermillError {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another process listens there',
    EACCES: 'this user may not listen there',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the name is not known',
  }
  const code = errorCode(error)
  return new LayermillError('LISTEN_FAILED', `--host ${host} --port ${port}: ${reasons[code] ?? errorMessage(error)}`, {
    cause: error,
    ...(code === 'EADDRINUSE' ? { hint: 'Is layermill serve running already? --port takes another port, --port 0 any free one.' } : {}),
  })
}

/**
 * The orchestrator's HTTP server: runs, events, workers, queues, health, metrics, and the OpenAPI document with its page.
 * It does not listen until told to.
 * @throws LayermillError `TOKENS_REQUIRED` where there are no tokens and `host` is not loopback; its `listen` throws `LISTEN_FAILED`.
 */
export async function createServer(options: ServerOptions): Promise<HttpServer> {
  const { host, port, logger, tokens, closeDeadline = 10_000 } = options
  refuseOpenServer(host, tokens?.size ?? 0)
  const app = createApp(options)
  await addEverything(app, options)
  return {
    app,
    async listen() {
      const url = await app.listen({ host, port }).catch((error: unknown) => {
        throw listenError(error, host, port)
      })
      if (tokens === undefined)
        logger.warn({ url }, 'no tokens are configured: listening on loopback only, and whoever reaches it may do everything')
      else if (tokens.size === 0)
        logger.warn({ url }, 'the token file holds no token: nobody is let in until one is added (layermill tokens add)')
      else logger.info({ url, tokens: tokens?.size }, 'listening')
      return url
    },
    async close() {
      const timer = setTimeout(() => app.server.closeAllConnections(), closeDeadline)
      await app.close()
      clearTimeout(timer)
    },
  }
}
