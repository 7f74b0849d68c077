import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, openBroker } from '@layermill/queue'
import { brokerContract } from '@layermill/queue/testing'
import {
  type Door,
  type RedisClusterService,
  type RedisPair,
  type RedisSentinels,
  startCluster,
  startDoor,
  startPair,
  startSentinels,
} from '../../../scripts/services/redis-group.mjs'

let cluster: RedisClusterService
let sentinels: RedisSentinels
let pair: RedisPair
let door: Door

beforeAll(async () => {
  ;[cluster, sentinels, pair] = await Promise.all([startCluster(), startSentinels(), startPair()])
  door = await startDoor(pair.master.port)
})
afterAll(async () => {
  await door?.close()
  await Promise.all([cluster?.stop(), sentinels?.stop(), pair?.stop()])
})

brokerContract('Redis Cluster', { open: () => openBroker(cluster.url), shared: true })
brokerContract('Sentinel', { open: () => openBroker(sentinels.url), shared: true })

/** A worker that says which jobs it has done. */
function working(broker: Broker, name: string): { done: Set<number>; close(): Promise<void> } {
  const done = new Set<number>()
  const worker = broker.worker<{ i: number }>(
    name,
    job => {
      done.add(job.data.i)
      return Promise.resolve()
    },
    { lockDuration: 2000, stalledInterval: 1000 },
  )
  return { done, close: () => worker.close() }
}

const jobs = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ name: 'part', data: { i: from + i } }))

/** Jobs from before and after a failover are all done, and errors are few. */
async function checkSurvives(url: string, name: string, failOver: () => Promise<void>): Promise<void> {
  const errors: string[] = []
  const broker = await openBroker(url, { onError: error => errors.push(error.message) })
  try {
    const queue = broker.queue<{ i: number }>(name)
    const { done } = working(broker, name)
    await queue.addBulk(jobs(0, 20))
    await expect.poll(() => done.size).toBe(20)
    await queue.addBulk(jobs(20, 20))
    await failOver()
    await queue.addBulk(jobs(40, 20))
    await expect.poll(() => done.size).toBe(60)
    // 3,000 a second where every refusal is followed by another try.
    expect(errors.length, errors.slice(0, 5).join('\n')).toBeLessThan(300)
  } finally {
    await broker.close(5000)
  }
}

describe('failover', () => {
  it('of a master that lives on as a replica, with connections that stay open', async () => {
    await checkSurvives(door.url, 'planned', async () => {
      await pair.failOver()
      door.lead(pair.master.port)
    })
  })

  it('that sentinels are asked for', async () => {
    await checkSurvives(sentinels.url, 'asked', () => sentinels.failOver())
  })

  it('of a master that was killed', async () => {
    await checkSurvives(sentinels.url, 'killed', () => sentinels.failOver({ kill: true }))
  })
})

describe('a cluster', () => {
  it('is recognised where one of its nodes is given as a server', async () => {
    const broker = await openBroker(`redis://127.0.0.1:${cluster.servers[0]!.port}`)
    await broker.queue<{ i: number }>('recognised').addBulk(jobs(0, 3))
    const others = await openBroker(cluster.url)
    expect((await others.counts('recognised')).waiting).toBe(3)
    await Promise.all([broker.close(), others.close()])
    await expect(openBroker(`redis://127.0.0.1:${cluster.servers[0]!.port}/3`)).rejects.toMatchObject({
      code: 'QUEUE_URL',
      message: expect.stringContaining('database') as string,
    })
  })

  it('keeps all keys in one slot', async () => {
    const keys = (await Promise.all(cluster.servers.map(server => server.command('keys', '*')))).map(text =>
      text.split('\n').filter(Boolean),
    )
    expect(keys.flat().filter(key => !key.startsWith('{layermill}:'))).toEqual([])
    expect(keys.filter(list => list.length > 0)).toHaveLength(1)
  })
})

describe('sentinels', () => {
  it('that know no such master, or are not there', async () => {
    const wrong = await openBroker(sentinels.url.replace('mymaster', 'other'), { connectTimeoutMs: 1500 }).catch((error: unknown) => error)
    expect(wrong).toMatchObject({ code: 'QUEUE_UNREACHABLE', message: expect.stringContaining('/other: ') as string })
    await expect(openBroker('redis+sentinel://127.0.0.1:1/mymaster', { connectTimeoutMs: 500 })).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE',
    })
  })
})
