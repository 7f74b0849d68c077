import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBroker } from '@layermill/jobs'
import { brokerContract } from '@layermill/jobs/testing'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'

/** A server that is there already may be used, so that many test files can share one. */
const given = process.env['LAYERMILL_TEST_REDIS']
let shared: RedisService | undefined
const url = (): string => given ?? shared?.url ?? ''

beforeAll(async () => {
  if (given === undefined) shared = await startRedis()
})
afterAll(async () => { await shared?.stop() })

brokerContract('Redis', { open: () => openBroker(url()), shared: true })

describe('Redis itself', () => {
  it('is described without credentials, and refuses a wrong password in words without one', async () => {
    const redis = await startRedis({ password: 'hunter2/?' })
    const broker = await openBroker(redis.url)
    expect(broker.kind).toBe('redis')
    expect(broker.describe()).toBe(`redis://127.0.0.1:${redis.port}`)
    await broker.close()
    const wrong = await openBroker(`redis://:hunter3@127.0.0.1:${redis.port}`).catch((error: unknown) => error)
    expect(wrong).toMatchObject({ code: 'QUEUE_AUTH' })
    expect(String(wrong)).not.toContain('hunter')
    await redis.stop()
  })

  it('must not evict', async () => {
    const redis = await startRedis({ maxmemoryPolicy: 'allkeys-lru' })
    await expect(openBroker(redis.url)).rejects.toMatchObject({
      code: 'QUEUE_EVICTION', message: expect.stringContaining('allkeys-lru') as string, hint: expect.stringContaining('noeviction') as string,
    })
    await redis.stop()
  })

  it('keeps jobs over kill -9 and a restart, and brokers come back by themselves', async () => {
    const redis = await startRedis({ appendOnly: true })
    const broker = await openBroker(redis.url)
    const queue = broker.queue<{ i: number }>('kept')
    await queue.addBulk([1, 2, 3].map((i) => ({ name: 'part', data: { i } })))
    await redis.kill()
    await redis.restart()
    const done: number[] = []
    await new Promise<void>((resolve) => {
      broker.worker<{ i: number }>('kept', (job) => {
        if (done.push(job.data.i) === 3) resolve()
        return Promise.resolve()
      })
    })
    expect(done).toEqual([1, 2, 3])
    expect(await broker.close()).toEqual({ clean: true, unfinished: [] })
    await redis.stop()
  })

  it('may be gone when a broker closes', async () => {
    const redis = await startRedis()
    const broker = await openBroker(redis.url)
    const worker = broker.worker('gone', () => Promise.resolve())
    await worker.waitUntilReady()
    await redis.stop()
    const { unfinished } = await broker.close(500)
    expect(unfinished.length).toBeLessThanOrEqual(1)
  })

  it('is looked for a while and then reported as unreachable', async () => {
    await expect(openBroker('redis://127.0.0.1:1', { connectTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE', message: expect.stringMatching(/^redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/) as string,
    })
    await expect(openBroker('http://127.0.0.1')).rejects.toMatchObject({ code: 'QUEUE_URL' })
    await expect(openBroker('rabbit')).rejects.toMatchObject({ code: 'QUEUE_URL' })
  })
})
