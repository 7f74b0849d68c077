import { errorMessage, LayermillError } from '@layermill/models'
import { createRedisBackend } from 'bullmq'
import { Redis } from 'ioredis'
import type { BlobStore, QueueServer, ServerOptions } from './backend.js'
import { redact } from './redact.js'

/** All keys start with this, so that a Redis may be shared with others. */
const prefix = 'layermill'

class RedisBlobs implements BlobStore {
  readonly #redis: Redis
  constructor(redis: Redis) {
    this.#redis = redis
  }

  async put(key: string, bytes: Uint8Array, ttlMs: number): Promise<void> {
    await this.#redis.set(this.#name(key), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 'PX', Math.ceil(ttlMs))
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#redis.getBuffer(this.#name(key)) ?? undefined
  }

  async delete(keys: readonly string[]): Promise<void> {
    // UNLINK frees the memory of large values in another thread.
    if (keys.length > 0) await this.#redis.unlink(...keys.map((key) => this.#name(key)))
  }

  async deleteBelow(start: string): Promise<void> {
    const pattern = `${this.#name(start).replaceAll(/[\\*?[\]^]/g, '\\$&')}*`
    let cursor = '0'
    do {
      const [next, found] = await this.#redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
      if (found.length > 0) await this.#redis.unlink(...found)
      cursor = next
    } while (cursor !== '0')
  }

  #name(key: string): string {
    return `${prefix}:exchange:${key}`
  }
}

/** The eviction policy, or undefined where the server tells it to nobody (some hosted ones). */
async function evictionPolicy(redis: Redis): Promise<string | undefined> {
  try {
    const [, policy] = await redis.config('GET', 'maxmemory-policy')
    if (policy !== undefined) return policy
  } catch {
    // CONFIG is often forbidden; INFO less so.
  }
  return /maxmemory_policy:(\S+)/.exec(await redis.info('memory').catch(() => ''))?.[1]
}

async function checkEviction(redis: Redis, place: string): Promise<void> {
  const policy = await evictionPolicy(redis)
  if (policy === undefined || policy === 'noeviction') return
  throw new LayermillError('QUEUE_EVICTION', `${place}: maxmemory-policy is ${policy}, expected noeviction: jobs could vanish when memory runs short`, {
    hint: 'Set it with: redis-cli config set maxmemory-policy noeviction (and in redis.conf, or the hosted service\'s parameters).',
  })
}

/** Waits for the first connection: while nothing answers it is tried again until the deadline; a refused password ends at once. */
function connected(redis: Redis, place: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = 'no answer'
    const finish = (failure?: LayermillError): void => {
      clearTimeout(timer)
      redis.off('ready', ready)
      redis.off('error', failed)
      if (failure === undefined) resolve()
      else reject(failure)
    }
    const ready = (): void => finish()
    const failed = (error: unknown): void => {
      last = redact(errorMessage(error)) || last
      if (/NOAUTH|WRONGPASS|NOPERM|invalid password/i.test(last)) finish(new LayermillError('QUEUE_AUTH', `${place}: the server refuses the user name or password`))
    }
    const timer = setTimeout(() => finish(new LayermillError('QUEUE_UNREACHABLE', `${place}: ${last}`, {
      hint: 'Is the server running, and does its name and port fit?',
    })), timeoutMs)
    redis.on('ready', ready)
    redis.on('error', failed)
    if (redis.status === 'ready') finish()
  })
}

/** A Redis (or Valkey) server, `redis://[user:password@]host[:port][/database]`, or `rediss://` with TLS. */
export async function openRedisServer(url: URL, options: ServerOptions): Promise<QueueServer> {
  const place = `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`
  const redis = new Redis(url.href, {
    maxRetriesPerRequest: null,
    // Every second at most: a queue server that comes back must be noticed soon.
    retryStrategy: (attempts) => Math.min(50 * 2 ** Math.min(attempts, 5), 1000),
    keepAlive: 10_000,
  })
  try {
    await connected(redis, place, options.connectTimeoutMs ?? 10_000)
    await checkEviction(redis, place)
  } catch (error) {
    redis.on('error', () => undefined)
    redis.disconnect()
    throw error
  }
  redis.on('error', (error) => options.onError?.(new LayermillError('QUEUE_UNREACHABLE', `${place}: ${redact(errorMessage(error))}`)))
  return {
    kind: 'redis',
    description: place,
    factory: (name, bullOptions, factoryOptions) =>
      createRedisBackend(name, { ...bullOptions, ...{ prefix }, connection: redis }, factoryOptions),
    blobs: new RedisBlobs(redis),
    close: async () => {
      // A server that is gone answers no QUIT.
      const quit = redis.status === 'ready' ? redis.quit().then(() => undefined, () => undefined) : Promise.resolve()
      let timer: NodeJS.Timeout | undefined
      await Promise.race([quit, new Promise((resolve) => { timer = setTimeout(resolve, 1000) })])
      clearTimeout(timer)
      redis.disconnect()
    },
  }
}
