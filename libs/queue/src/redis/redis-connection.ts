import { errorMessage, LayermillError, redact } from '@layermill/core'
import { Cluster, Redis, type RedisOptions, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'
import { certificateHint } from '../certificate.js'
import { denied, deniedCommand, isElsewhere, refusalDelay } from '../refusals.js'
import type { RedisAddress } from './redis-url.js'

export type RedisClient = Redis | Cluster

/**
 * Milliseconds before connecting anew, `attempts` counted from 1: every second at most, since a queue server that comes back must be
 * noticed soon.
 */
function reconnectDelay(attempts: number): number {
  return Math.min(50 * 2 ** Math.min(attempts, 5), 1000) * (0.75 + Math.random() / 2)
}

/**
 * Connections to the master that sentinels name. ioredis goes on listening for the failover that a connection was lost to, and its news cut
 * the next connection while sentinels were being asked: the client then had ended for good, with `Connection is closed.`
 */
class MasterConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
  }

  override connect(...parameters: Parameters<SentinelConnector['connect']>): ReturnType<SentinelConnector['connect']> {
    const listening = this['failoverDetector'] as { cleanup(): void } | null
    listening?.cleanup()
    return super.connect(...parameters)
  }
}

/** How connections of one queue are made and made again. */
function connectionOptions({ tls, username, password, database }: RedisAddress): RedisOptions {
  let refused = 0
  let last = 0
  return {
    maxRetriesPerRequest: null,
    username,
    password,
    db: database,
    ...(tls ? { tls: {} } : {}),
    keepAlive: 10_000,
    // A server that still refuses after connecting anew is asked ever more seldom.
    retryStrategy: attempts => (refused === 0 ? reconnectDelay(attempts) : Math.max(reconnectDelay(attempts), refusalDelay(refused))),
    reconnectOnError: error => {
      if (!isElsewhere(error)) return false
      const now = Date.now()
      refused = now - last > 30_000 ? 1 : refused + 1
      last = now
      return true
    },
  }
}

/** Connects; errors are told to the listeners of the client. */
export function connectRedis(address: RedisAddress): RedisClient {
  const options = connectionOptions(address)
  const { hosts, kind, name, tls } = address
  if (kind === 'cluster') {
    return new Cluster(
      hosts.map(({ host, port }) => ({ host, port })),
      {
        // Each key is on one master. Replicas are for failover.
        scaleReads: 'master',
        redisOptions: { ...options, db: 0 },
        clusterRetryStrategy: reconnectDelay,
        retryDelayOnFailover: 200,
        retryDelayOnClusterDown: 500,
        retryDelayOnTryAgain: 200,
        maxRedirections: 64,
        // Names of a certificate are names, not addresses.
        ...(tls ? { dnsLookup: (host: string, found: (error: null, address: string) => void) => found(null, host) } : {}),
      },
    )
  }
  const [first] = hosts
  if (kind === 'single') return new Redis({ ...options, host: first!.host, port: first!.port })
  return new Redis({
    ...options,
    Connector: MasterConnector,
    sentinels: hosts.map(({ host, port }) => ({ host, port })),
    name,
    sentinelUsername: process.env['LAYERMILL_SENTINEL_USERNAME'] || undefined,
    sentinelPassword: process.env['LAYERMILL_SENTINEL_PASSWORD'] || undefined,
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    sentinelRetryStrategy: reconnectDelay,
    // Sentinels tell of a failover, so that connections to the old master are left at once.
    failoverDetector: true,
  })
}

/** Causes of an error: a cluster keeps its nodes' last one beside the message. */
function reasons(error: unknown): unknown[] {
  const node: unknown = error instanceof Error && 'lastNodeError' in error ? error.lastNodeError : undefined
  return node === undefined ? [error] : [error, node]
}

/** An error that connecting again does not mend, with its code. */
function lasting(error: unknown, place: string): LayermillError | undefined {
  for (const reason of reasons(error)) {
    const text = redact(errorMessage(reason))
    if (/NOAUTH|WRONGPASS|invalid password/i.test(text))
      return new LayermillError('QUEUE_AUTH', `${place}: the server refuses the user name or password`)
    if (/DB index is out of range|invalid DB index/i.test(text)) {
      return new LayermillError('QUEUE_URL', `${place}: the server has no such database: ${text}`, {
        hint: 'databases are numbered from 0; a server has 16 unless told otherwise',
      })
    }
    if (/SELECT is not allowed in cluster mode/i.test(text))
      return new LayermillError('QUEUE_URL', `${place}: a cluster has only database 0`)
    const command = deniedCommand(reason)
    if (command !== undefined) return denied(text.replace(/^.*NOPERM /, ''), place)
    const hint = certificateHint(reason)
    if (hint !== undefined) return new LayermillError('QUEUE_UNREACHABLE', `${place}: ${text}`, { hint })
  }
  return undefined
}

/** Waits for the first connection: while nothing answers it is tried again until the deadline; what does not mend itself ends at once. */
export function untilConnected(redis: RedisClient, place: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = 'no answer'
    const finish = (failure?: LayermillError): void => {
      clearTimeout(timer)
      redis.off('ready', ready)
      redis.off('error', failed)
      redis.off('node error', failed)
      if (failure === undefined) resolve()
      else reject(failure)
    }
    const ready = (): void => finish()
    const failed = (error: unknown): void => {
      last =
        redact(
          reasons(error)
            .map(reason => errorMessage(reason))
            .filter(Boolean)
            .join(': '),
        ) || last
      const failure = lasting(error, place)
      if (failure !== undefined) finish(failure)
    }
    const timer = setTimeout(
      () =>
        finish(
          new LayermillError('QUEUE_UNREACHABLE', `${place}: ${last}`, {
            hint: 'Is the server running, and does its name and port fit?',
          }),
        ),
      timeoutMs,
    )
    redis.on('ready', ready)
    redis.on('error', failed)
    // Of a cluster's nodes.
    redis.on('node error', failed)
    if (redis.status === 'ready') finish()
  })
}

/** Never goes on with another database than the one that was asked for: a connection that could not choose it is left. */
export function guardDatabase(redis: RedisClient): void {
  if (redis instanceof Cluster) return
  redis.on('error', (error: unknown) => {
    if (/DB index is out of range|invalid DB index/i.test(errorMessage(error))) redis.disconnect(true)
  })
}
