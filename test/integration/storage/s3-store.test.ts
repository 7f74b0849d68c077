import { randomBytes } from 'node:crypto'
import { openStore } from '@layermill/storage'
import { createBucket, storeContract } from '@layermill/storage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useS3Server } from './s3-server.js'

const bucket = `layermill-${randomBytes(6).toString('hex')}`
let stop = async (): Promise<void> => {}

beforeAll(async () => {
  ;({ stop } = await useS3Server())
  await createBucket(bucket)
})
afterAll(async () => stop())

storeContract('s3', async () => {
  const url = `s3://${bucket}/run ${randomBytes(6).toString('hex')}`
  return { store: openStore(url), again: async () => openStore(url) }
})

describe('s3', () => {
  it('takes a whole bucket as its root', async () => {
    const store = openStore(`s3://${bucket}`)
    await store.put('at-the-root', 'x')
    expect((await store.get('at-the-root'))?.byteLength).toBe(1)
    await store.delete('at-the-root')
    await store.close()
  })

  it('writes over 64 MiB in parts, whole or not at all, and once only with ifAbsent', async () => {
    const store = openStore(`s3://${bucket}/large`)
    const bytes = randomBytes(64 * 1024 * 1024 + 12_345)
    expect(await store.put('part.npy', bytes, { ifAbsent: true })).toBe(true)
    expect(await store.put('part.npy', bytes, { ifAbsent: true })).toBe(false)
    const entry = await store.stat('part.npy')
    expect(entry?.bytes).toBe(bytes.byteLength)
    // The etag of an object in parts ends with their number.
    expect(entry?.etag).toMatch(/-5$/)
    expect(Buffer.compare((await store.get('part.npy')) ?? new Uint8Array(), bytes)).toBe(0)
    const start = 64 * 1024 * 1024 - 10
    expect(
      Buffer.compare((await store.getRange('part.npy', start, start + 20)) ?? new Uint8Array(), bytes.subarray(start, start + 20)),
    ).toBe(0)
    await store.close()
  })

  it('names a bucket that does not exist and credentials that are refused', async () => {
    const missing = openStore('s3://layermill-no-such-bucket/x')
    await expect(missing.get('a')).rejects.toMatchObject({
      code: 'STORE_MISSING',
      message: expect.stringContaining('layermill-no-such-bucket') as string,
    })
    await expect(missing.put('a', 'x', { ifAbsent: true })).rejects.toMatchObject({ code: 'STORE_MISSING' })
    await missing.close()
    const secret = process.env['AWS_SECRET_ACCESS_KEY']
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong'
    const denied = openStore(`s3://${bucket}`)
    try {
      await expect(denied.get('a')).rejects.toMatchObject({ code: 'STORE_DENIED' })
    } finally {
      process.env['AWS_SECRET_ACCESS_KEY'] = secret
      await denied.close()
    }
  })
})
