import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBroker } from '@layermill/queue'
import { brokerContract } from '@layermill/queue/testing'
import { type PostgresService, startPostgres } from '../../../scripts/services/postgres.mjs'

/** A server that is there already may be used, so that many test files can share one. */
const given = process.env['LAYERMILL_TEST_POSTGRES']
let shared: PostgresService | undefined
const url = (): string => given ?? shared?.url ?? ''

beforeAll(async () => {
  if (given === undefined) shared = await startPostgres()
})
afterAll(async () => {
  await shared?.stop()
})

brokerContract('PostgreSQL', { open: () => openBroker(url()), shared: true })

describe('PostgreSQL itself', () => {
  it('is described without credentials', async () => {
    const { hostname, port } = new URL(url())
    const broker = await openBroker(`postgres://layermill:hunter2@${hostname}:${port}/postgres`)
    expect(broker.kind).toBe('postgres')
    expect(broker.describe()).toBe(`postgres://${hostname}:${port}/postgres`)
    await broker.close()
  })

  it('is migrated by one of many that open at once', async () => {
    const brokers = await Promise.all(Array.from({ length: 4 }, () => openBroker(url())))
    expect(brokers.map(broker => broker.kind)).toEqual(Array.from({ length: 4 }, () => 'postgres'))
    await Promise.all(brokers.map(broker => broker.close()))
  })

  it('says what it refuses, and what cannot be reached', async () => {
    const { hostname, port } = new URL(url())
    await expect(openBroker(`postgres://layermill@${hostname}:${port}/no_such_database`)).rejects.toMatchObject({ code: 'QUEUE_AUTH' })
    await expect(openBroker('postgres://me:hunter2@127.0.0.1:1/db', { connectTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE',
      message: expect.stringMatching(/^postgres:\/\/127\.0\.0\.1:1\/db: .*ECONNREFUSED/) as string,
    })
  })
})
