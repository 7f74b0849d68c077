import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBroker } from '@layermill/queue'
import { brokerContract } from '@layermill/queue/testing'
import { startTlsRedis } from '../../../scripts/services/redis-group.mjs'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'
import { until } from '../../helpers/watch.js'

/** A server that is there already may be used, so that many test files can share one. */
const given = process.env['LAYERMILL_TEST_REDIS']
let shared: RedisService | undefined
const url = (): string => given ?? shared?.url ?? ''

beforeAll(async () => {
  if (given === undefined) shared = await startRedis()
})
afterAll(async () => {
  await shared?.stop()
})

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
      code: 'QUEUE_EVICTION',
      message: expect.stringContaining('allkeys-lru') as string,
      hint: expect.stringContaining('noeviction') as string,
    })
    await redis.stop()
  })

  it('keeps jobs over kill -9 and a restart, and brokers come back by themselves', async () => {
    const redis = await startRedis({ appendOnly: true })
    const broker = await openBroker(redis.url)
    const queue = broker.queue<{ i: number }>('kept')
    await queue.addBulk([1, 2, 3].map(i => ({ name: 'part', data: { i } })))
    await redis.kill()
    await redis.restart()
    const done: number[] = []
    await new Promise<void>(resolve => {
      broker.worker<{ i: number }>('kept', job => {
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

  it('may be gone when events are closed', async () => {
    const redis = await startRedis()
    const errors: Error[] = []
    const broker = await openBroker(redis.url, { onError: error => errors.push(error) })
    const events = Array.from({ length: 10 }, () => broker.events('gone'))
    await Promise.all(events.map(each => each.waitUntilReady()))
    await redis.kill()
    // By now tries to connect are a second apart, and most of them wait for the next: those would never tell their end.
    await until(async () => errors.length > 60, 'they try to connect')
    await expect(Promise.all(events.map(each => each.close()))).resolves.toHaveLength(10)
    await broker.close()
    await redis.stop()
  }, 60_000)

  it('is looked for a while and then reported as unreachable', async () => {
    await expect(openBroker('redis://127.0.0.1:1', { connectTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE',
      message: expect.stringMatching(/^redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/) as string,
    })
    await expect(openBroker('http://127.0.0.1')).rejects.toMatchObject({ code: 'QUEUE_URL' })
    await expect(openBroker('rabbit')).rejects.toMatchObject({ code: 'QUEUE_URL' })
  })
})

describe('a Redis that refuses', () => {
  it('writes is asked ever more seldom, and work goes on once it takes them', async () => {
    const redis = await startRedis()
    const errors: string[] = []
    const broker = await openBroker(redis.url, { onError: error => errors.push(error.message) })
    const name = 'refusing'
    const done = new Set<number>()
    broker.worker<{ i: number }>(name, job => {
      done.add(job.data.i)
      return Promise.resolve()
    })
    const queue = broker.queue<{ i: number }>(name)
    await queue.addBulk([0, 1, 2].map(i => ({ name: 'part', data: { i } })))
    await expect.poll(() => done.size).toBe(3)
    await redis.command('config', 'set', 'maxmemory', '1')
    const added = queue.addBulk([3, 4, 5].map(i => ({ name: 'part', data: { i } })))
    await expect.poll(() => errors.some(text => /OOM/.test(text))).toBe(true)
    const cpu = process.cpuUsage()
    await new Promise(resolve => {
      setTimeout(resolve, 2000)
    })
    const used = process.cpuUsage(cpu)
    process.stdout.write(`refused writes: ${errors.length} errors and ${((used.user + used.system) / 1000).toFixed(0)} ms of CPU in 2 s\n`)
    // 4,000 a second without backoff.
    expect(errors.length).toBeLessThan(100)
    await redis.command('config', 'set', 'maxmemory', '0')
    await added
    await expect.poll(() => done.size).toBe(6)
    await broker.close(2000)
    await redis.stop()
  })

  it('a database', async () => {
    const redis = await startRedis()
    const wrong = await openBroker(`${redis.url}/99`).catch((error: unknown) => error)
    expect(wrong).toMatchObject({ code: 'QUEUE_URL', message: expect.stringContaining('/99: the server has no such database') as string })
    await expect(openBroker(`${redis.url}/abc`)).rejects.toMatchObject({
      code: 'QUEUE_URL',
      message: expect.stringContaining('abc') as string,
    })
    const other = await openBroker(`${redis.url}/15`)
    expect(other.describe()).toBe(`redis://127.0.0.1:${redis.port}/15`)
    await other.queue<{ i: number }>('apart').add('part', { i: 1 })
    expect(await redis.command('dbsize')).toBe('0')
    await other.close()
    await redis.stop()
  })

  it('commands and keys of a user', async () => {
    const redis = await startRedis()
    const user = async (name: string, ...rules: string[]): Promise<unknown> => {
      await redis.command('acl', 'setuser', name, 'on', '>secret', ...rules)
      const opened = await openBroker(`redis://${name}:secret@127.0.0.1:${redis.port}`).catch((error: unknown) => error)
      if (!(opened instanceof Error)) await (opened as Awaited<ReturnType<typeof openBroker>>).close()
      return opened
    }
    const denied = (what: string): unknown => ({
      code: 'QUEUE_DENIED',
      message: expect.stringContaining(what) as string,
      hint: expect.stringContaining('docs/operations.md') as string,
    })
    expect(await user('no-info', '~layermill*', '+@all', '-info')).toMatchObject(denied('command INFO') as object)
    expect(await user('no-streams', '~layermill*', '+@all', '-xadd', '-xread')).toMatchObject(denied('XADD, XREAD') as object)
    expect(await user('no-multi', '~layermill*', '+@all', '-multi')).toMatchObject(denied('MULTI') as object)
    expect(await user('no-keys', '~other*', '+@all')).toMatchObject(denied('keys that begin with layermill') as object)
    expect(await user('no-scripts', '~layermill*', '+@all', '-@scripting')).toMatchObject(denied('EVAL, EVALSHA') as object)
    await redis.stop()
  })

  it('nothing that the documented rules leave out', async () => {
    const redis = await startRedis()
    const rules = /ACL SETUSER layermill on [^\n]*?(~layermill[^\n`]*)/.exec(
      await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8'),
    )?.[1]
    await redis.command('acl', 'setuser', 'layermill', 'on', '>secret', ...rules!.trim().split(/\s+/))
    const broker = await openBroker(`redis://layermill:secret@127.0.0.1:${redis.port}`)
    const queue = broker.queue<{ i: number }>('ruled')
    const events = broker.events('ruled')
    await events.waitUntilReady()
    const done = new Promise(resolve => {
      events.on('completed', resolve)
    })
    broker.worker('ruled', () => Promise.resolve())
    await queue.addBulk([{ name: 'part', data: { i: 1 }, opts: { priority: 3 } }])
    await done
    await queue.pause()
    await queue.resume()
    await broker.blobs.put('a', Uint8Array.of(1), 1000)
    await broker.blobs.deleteBelow('a')
    expect(await broker.counts('ruled')).toMatchObject({ completed: 1 })
    await queue.obliterate({ force: true })
    await broker.close()
    await redis.stop()
  })

  it('to be known by its certificate, and is told apart by a hint', async () => {
    const redis = await startTlsRedis()
    await expect(openBroker(redis.url)).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE',
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS') as string,
    })
    const script = `import { openBroker } from '@layermill/queue'
      const broker = await openBroker(${JSON.stringify(redis.url)})
      console.log(broker.describe())
      await broker.close()`
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: root,
      env: { ...process.env, NODE_EXTRA_CA_CERTS: redis.authority },
    })
    expect(stdout.trim()).toBe(redis.url)
    await redis.stop()
  })
})
