import { errorMessage, LayermillError } from '@layermill/core'
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './redis-connection.js'
import { denied } from '../refusals.js'

/** A server to ask about itself: of a cluster, one of its masters. */
function oneServer(redis: RedisClient): Redis | undefined {
  return redis instanceof Cluster ? redis.nodes('master')[0] : redis
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

/** @throws LayermillError `QUEUE_EVICTION` for a server that may drop jobs. */
export async function checkEviction(client: RedisClient, place: string): Promise<void> {
  const redis = oneServer(client)
  const policy = redis === undefined ? undefined : await evictionPolicy(redis)
  if (policy === undefined || policy === 'noeviction') return
  throw new LayermillError(
    'QUEUE_EVICTION',
    `${place}: maxmemory-policy is ${policy}, expected noeviction: jobs could vanish when memory runs short`,
    {
      hint: "Set it with: redis-cli config set maxmemory-policy noeviction (and in redis.conf, or the hosted service's parameters).",
    },
  )
}

/** Whether a server is a node of a cluster. */
export async function isClusterNode(client: RedisClient): Promise<boolean> {
  if (client instanceof Cluster) return false
  return /redis_mode:cluster/.test(await client.info('server').catch(() => ''))
}

/** Commands that queues need, each with arguments that it takes, KEY for a key of the queues. What scripts call is checked as well. */
export const neededCommands: readonly string[] = [
  'INFO',
  'EVAL return 0',
  'EVALSHA 0 0',
  'DEL KEY',
  'EXISTS KEY',
  'GET KEY',
  'SET KEY 0 PX 1',
  'UNLINK KEY',
  'RENAME KEY KEY',
  'TYPE KEY',
  'PERSIST KEY',
  'PEXPIRE KEY 1',
  'PEXPIREAT KEY 1',
  'PTTL KEY',
  'INCR KEY',
  'INCRBY KEY 1',
  'HDEL KEY 0',
  'HEXISTS KEY 0',
  'HGET KEY 0',
  'HGETALL KEY',
  'HINCRBY KEY 0 1',
  'HLEN KEY',
  'HMGET KEY 0',
  'HMSET KEY 0 0',
  'HSCAN KEY 0',
  'HSET KEY 0 0',
  'LINDEX KEY 0',
  'LLEN KEY',
  'LPOP KEY',
  'LPOS KEY 0',
  'LPUSH KEY 0',
  'LRANGE KEY 0 0',
  'LREM KEY 0 0',
  'LSET KEY 0 0',
  'LTRIM KEY 0 0',
  'RPOP KEY',
  'RPOPLPUSH KEY KEY',
  'RPUSH KEY 0',
  'SADD KEY 0',
  'SCARD KEY',
  'SISMEMBER KEY 0',
  'SMEMBERS KEY',
  'SREM KEY 0',
  'SSCAN KEY 0',
  'SCAN 0',
  'TIME',
  'XADD KEY * 0 0',
  'XDEL KEY 0-0',
  'XLEN KEY',
  'XRANGE KEY - +',
  'XREAD STREAMS KEY 0',
  'XTRIM KEY MAXLEN 0',
  'BZPOPMIN KEY 1',
  'ZADD KEY 0 0',
  'ZCARD KEY',
  'ZCOUNT KEY 0 0',
  'ZLEXCOUNT KEY - +',
  'ZPOPMIN KEY',
  'ZRANGE KEY 0 0',
  'ZRANGEBYLEX KEY - +',
  'ZRANGEBYSCORE KEY 0 0',
  'ZREM KEY 0',
  'ZREMRANGEBYRANK KEY 0 0',
  'ZREMRANGEBYSCORE KEY 0 0',
  'ZREVRANGE KEY 0 0',
  'ZREVRANGEBYSCORE KEY 0 0',
  'ZSCORE KEY 0',
]

/** The answer to a command where the server's rules forbid it. */
async function refusedBy(redis: Redis, command: string, key: string): Promise<string | undefined> {
  const [name, ...args] = command.split(' ').map(word => (word === 'KEY' ? key : word))
  const message = await redis.call(name!, ...args).then(() => '', errorMessage)
  return /\bNOPERM\b/.test(message) ? message : undefined
}

/**
 * Looks whether the server's rules (ACL) let this user do what queues need. Commands are put into a transaction that is discarded: rules
 * are looked at when a command is put there, and none is carried out.
 * @param key a key of the queues, which need not be there
 * @throws LayermillError `QUEUE_DENIED` naming the commands that are missing, or the keys.
 */
export async function checkPermissions(client: RedisClient, place: string, key: string): Promise<void> {
  const redis = oneServer(client)
  if (redis === undefined) return
  const started = await redis.call('MULTI').then(() => '', errorMessage)
  if (/\bNOPERM\b/.test(started)) throw denied('the commands MULTI, EXEC and DISCARD', place)
  const missing: string[] = []
  let keys = false
  // All at once: a hundred answers take as long as one. A transaction is a state of the connection, which nobody else has yet.
  const answers = await Promise.all(neededCommands.map(async command => ({ command, answer: await refusedBy(redis, command, key) })))
  await redis.call('DISCARD').catch(() => undefined)
  for (const { command, answer } of answers) {
    if (answer === undefined) continue
    if (/access (one of the keys|a key)|permissions? to access/i.test(answer)) keys = true
    else missing.push(command.split(' ')[0]!)
  }
  if (missing.length > 0) throw denied(`${missing.length === 1 ? 'the command' : 'the commands'} ${missing.join(', ')}`, place)
  if (keys) throw denied(`the keys that begin with ${key.split(':')[0]}`, place)
}
