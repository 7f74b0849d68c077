import { endsWithin, errorMessage, LayermillError, redact } from '@layermill/core'
import { createRedisBackend } from 'bullmq'
import { Cluster, type Redis } from 'ioredis'
import type { BlobStore, QueueServer, ServerOptions } from './backend.js'
import { checkEviction, checkPermissions, isClusterNode } from './redis/redis-checks.js'
import { connectRedis, guardDatabase, type RedisClient, untilConnected } from './redis/redis-connection.js'
import { parseRedisUrl, type RedisAddress } from './redis/redis-url.js'
import { isElsewhere, type PatienceOptions, patientBackend, patiently } from './refusals.js'

/**
 * All keys start with this, so that a Redis may be shared with others. On a cluster it is a hash tag: scripts need their keys on one node.
 */
const prefixes = { single: 'layermill', sentinel: 'layermill', cluster: '{layermill}' } as const

class RedisBlobs implements BlobStore {
  constructor(
    private readonly redis: RedisClient,
    private readonly prefix: string,
    private readonly patience: PatienceOptions,
  ) {}

  async put(key: string, bytes: Uint8Array, ttlMs: number): Promise<void> {
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    await patiently(() => this.redis.set(this.name(key), value, 'PX', Math.ceil(ttlMs)), this.patience)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await patiently(() => this.redis.getBuffer(this.name(key)), this.patience)) ?? undefined
  }

  async delete(keys: readonly string[]): Promise<void> {
    // UNLINK frees the memory of large values in another thread.
    if (keys.length > 0) await patiently(() => this.redis.unlink(...keys.map(key => this.name(key))), this.patience)
  }

  async deleteBelow(start: string): Promise<void> {
    const pattern = `${this.name(start).replaceAll(/[\\*?[\]^]/g, '\\$&')}*`
    for (const server of this.redis instanceof Cluster ? this.redis.nodes('master') : [this.redis]) await this.deleteAt(server, pattern)
  }

  private async deleteAt(server: Redis, pattern: string): Promise<void> {
    let cursor = '0'
    do {
      const from = cursor
      const [next, found] = await patiently(() => server.scan(from, 'MATCH', pattern, 'COUNT', 1000), this.patience)
      if (found.length > 0) await patiently(() => this.redis.unlink(...found), this.patience)
      cursor = next
    } while (cursor !== '0')
  }

  private name(key: string): string {
    return `${this.prefix}:exchange:${key}`
  }
}

interface Connected {
  readonly redis: RedisClient
  readonly address: RedisAddress
}

/** Connects and looks whether the server can be used; a node of a cluster is taken for the whole cluster. */
async function connect(address: RedisAddress, timeoutMs: number): Promise<Connected> {
  const place = address.description
  const redis = connectRedis(address)
  guardDatabase(redis)
  try {
    await untilConnected(redis, place, timeoutMs)
    if (address.kind === 'single' && (await isClusterNode(redis))) {
      if (address.database !== 0) throw new LayermillError('QUEUE_URL', `${place}: a cluster has only database 0`)
      ended(redis)
      return await connect({ ...address, kind: 'cluster' }, timeoutMs)
    }
    await checkEviction(redis, place)
    await checkPermissions(redis, place, `${prefixes[address.kind]}:permissions`)
  } catch (error) {
    ended(redis)
    throw error
  }
  return { redis, address }
}

/** Leaves a connection whose errors nobody needs any more. */
function ended(redis: RedisClient): void {
  redis.on('error', () => undefined)
  redis.disconnect()
}

/**
 * A Redis (or Valkey) server, a master that sentinels know, or a cluster: see `parseRedisUrl`.
 * @throws LayermillError `QUEUE_URL`, `QUEUE_UNREACHABLE`, `QUEUE_AUTH`, `QUEUE_DENIED`, `QUEUE_EVICTION`.
 */
export async function openRedisServer(url: string, options: ServerOptions): Promise<QueueServer> {
  const { redis, address } = await connect(parseRedisUrl(url), options.connectTimeoutMs ?? 10_000)
  const place = address.description
  const prefix = prefixes[address.kind]
  const tell = (error: unknown): void =>
    options.onError?.(new LayermillError('QUEUE_UNREACHABLE', `${place}: ${redact(errorMessage(error))}`))
  const closing = new AbortController()
  const patience: PatienceOptions = {
    signal: closing.signal,
    onRefused: error => {
      options.onError?.(new LayermillError('QUEUE_FAILED', `${place}: the server refuses commands for now: ${redact(error.message)}`))
      // Replies inside of transactions do not reach the connection's own look at them.
      if (isElsewhere(error) && !(redis instanceof Cluster) && redis.status === 'ready') redis.disconnect(true)
    },
  }
  redis.on('error', tell)
  return {
    kind: 'redis',
    description: place,
    factory: (name, bullOptions, factoryOptions) =>
      patientBackend(createRedisBackend(name, { ...bullOptions, ...{ prefix }, connection: redis }, factoryOptions), patience),
    blobs: new RedisBlobs(redis, prefix, patience),
    eventsFrom: async () => {
      const [seconds, microseconds] = await patiently(() => redis.time(), patience)
      // As the server names events itself: by its clock.
      return `${Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000) - 1}-0`
    },
    close: async () => {
      closing.abort()
      // A server that is gone answers no QUIT.
      const quit =
        redis.status === 'ready'
          ? redis.quit().then(
              () => undefined,
              () => undefined,
            )
          : Promise.resolve()
      await endsWithin(quit, 1000)
      redis.disconnect()
    },
  }
}
