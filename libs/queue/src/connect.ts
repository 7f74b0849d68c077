import { LayermillError, redactQueueUrl } from '@layermill/core'
import type { QueueServer } from './backend.js'
import type { Broker, BrokerOptions } from './broker.js'
import { isRedisUrl } from './redis/redis-url.js'

function refuse(text: string): never {
  throw new LayermillError(
    'QUEUE_URL',
    `queue ${JSON.stringify(redactQueueUrl(text).slice(0, 200))}: expected redis://, rediss:// or postgres:// with a host, or embedded`,
    {
      hint: 'also redis+sentinel://host,host/name and redis+cluster://host,host, each with rediss for TLS',
    },
  )
}

/** A server's connections. BullMQ and the drivers take a third of a second to load, which commands without a queue need not wait for. */
async function connect(text: string | undefined, options: BrokerOptions): Promise<QueueServer> {
  if (text === undefined) {
    const { openEmbeddedPostgres } = await import('./embedded/embedded-postgres.js')
    // The database starts in its thread while this one loads BullMQ.
    const [database, { openEmbeddedServer }] = await Promise.all([
      openEmbeddedPostgres(options.directory, text => options.onError?.(new LayermillError('QUEUE_FAILED', text))),
      import('./postgres-server.js'),
    ])
    return openEmbeddedServer(database, options)
  }
  if (isRedisUrl(text)) return (await import('./redis-server.js')).openRedisServer(text, options)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '') return refuse(text)
  return (await import('./postgres-server.js')).openPostgresServer(url, options)
}

/**
 * Connects to a queue server: `redis://`, `redis+sentinel://`, `redis+cluster://` (`rediss` with TLS) or `postgres://`; undefined or
 * `embedded` is the one inside this process.
 * Throws `QUEUE_URL`, `QUEUE_UNREACHABLE`, `QUEUE_AUTH`, `QUEUE_DENIED` (commands that Redis keeps from the user), `QUEUE_EVICTION` (Redis
 * that may drop jobs), `QUEUE_LOCKED`, `QUEUE_FAILED`.
 */
export async function openBroker(url?: string, options: BrokerOptions = {}): Promise<Broker> {
  const server = await connect(url === undefined || url === 'embedded' ? undefined : url, options)
  const { OpenBroker } = await import('./open-broker.js')
  return new OpenBroker(server, options)
}
