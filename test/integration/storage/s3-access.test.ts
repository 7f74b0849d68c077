import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PutBucketPolicyCommand, PutBucketRequestPaymentCommand, S3Client } from '@aws-sdk/client-s3'
import { openSource, openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type S3Server, radosgwAdmin, startRadosgw } from '../../../scripts/services/radosgw.mjs'
import { runCli, smallRun, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { untilSaid } from '../../helpers/fleet.js'
import { imageBytes } from '../../helpers/images.js'
import { readErrors, readRun } from '../../helpers/results.js'
import { RotatedKeys } from '../../helpers/rotated-keys.js'

const folder = testFolder('s3-access')
const name = `access-${randomBytes(4).toString('hex')}`
const images = 12
const source = `s3://${name}/photos/`
/** A user besides the one that owns the buckets, who has what the buckets' policies give. */
const reader = `reader-${randomBytes(4).toString('hex')}`
const variables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CONFIG_FILE',
  'AWS_ENDPOINT_URL_S3',
  'AWS_REGION',
  'LAYERMILL_RADOSGW',
]

let server: S3Server
let owner: S3Client
let before: Map<string, string | undefined>
let credentials: string
let keys: RotatedKeys

/** A server whose users can be changed: the runner's, where it started one. */
async function useServer(): Promise<S3Server> {
  const shared = process.env['LAYERMILL_TEST_S3']
  const env = shared === undefined ? {} : (JSON.parse(shared) as Record<string, string>)
  return env['LAYERMILL_RADOSGW'] === undefined ? startRadosgw() : { endpoint: env['AWS_ENDPOINT_URL_S3'] ?? '', env, stop: async () => {} }
}

const admin = (...args: string[]): Promise<unknown> => radosgwAdmin(server.env, ...args)

async function allow(principal: unknown, ...more: unknown[]): Promise<void> {
  const all = {
    Effect: 'Allow',
    Principal: principal,
    Action: ['s3:ListBucket', 's3:GetObject', 's3:PutObject', 's3:DeleteObject'],
    Resource: [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`],
  }
  await owner.send(
    new PutBucketPolicyCommand({ Bucket: name, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [all, ...more] }) }),
  )
}
const toReader = { AWS: [`arn:aws:iam:::user/${reader}`] }
const denying = (...keys: string[]): unknown => ({
  Effect: 'Deny',
  Principal: toReader,
  Action: 's3:GetObject',
  Resource: keys.map(key => `arn:aws:s3:::${name}/${key}`),
})

const asReader = (): Record<string, string> => ({ AWS_ENDPOINT_URL_S3: server.endpoint, ...keys.environment })

beforeAll(async () => {
  server = await useServer()
  before = new Map(variables.map(variable => [variable, process.env[variable]]))
  Object.assign(process.env, server.env)
  owner = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: server.env['AWS_ACCESS_KEY_ID']!, secretAccessKey: server.env['AWS_SECRET_ACCESS_KEY']! },
  })
  await createBucket(name)
  const store = openStore(`s3://${name}`)
  for (let i = 0; i < images; i++) await store.put(`photos/${String(i).padStart(2, '0')}.png`, await imageBytes(i))
  await store.close()
  credentials = join(await mkdtemp(join(tmpdir(), 'layermill-reader-')), 'credentials')
  await admin('user', 'create', `--uid=${reader}`, '--display-name=reader')
  keys = new RotatedKeys(server.env, reader, credentials)
})
afterAll(async () => {
  owner?.destroy()
  for (const [variable, value] of before ?? []) {
    if (value === undefined) delete process.env[variable]
    else process.env[variable] = value
  }
  await rm(join(credentials, '..'), { recursive: true })
  await server?.stop()
})

beforeEach(async () => {
  await keys.rotate()
  await allow(toReader)
  delete process.env['AWS_ACCESS_KEY_ID']
  delete process.env['AWS_SECRET_ACCESS_KEY']
  Object.assign(process.env, { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: '/dev/null' })
})
afterEach(() => {
  Object.assign(process.env, server.env)
})

describe('keys that are rotated', () => {
  it('are read anew by sources and stores that are open', async () => {
    const images = await openSource(source)
    const store = openStore(`s3://${name}/out`)
    await images.read({ key: '00.png' })
    await store.put('a', 'x')
    await keys.rotate()
    expect((await images.read({ key: '01.png' })).byteLength).toBeGreaterThan(100)
    await keys.rotate()
    // A HEAD is refused without a reason.
    expect(await store.stat('a')).toMatchObject({ bytes: 1 })
    await keys.rotate()
    await store.put('b', 'x')
    await keys.end()
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'STORE_DENIED',
      message: expect.stringContaining('InvalidAccessKeyId') as string,
    })
    await expect(images.read({ key: '02.png' })).rejects.toMatchObject({ code: 'SOURCE_DENIED' })
    await images.close()
    await store.close()
  })

  it('do not end a run that is under way', async () => {
    const out = join(await folder(), 'rotated')
    const run = startCli(smallRun(source, out, '--part-size', '1', '--batch-size', '1', '--json'), { env: asReader() })
    await untilSaid(run, /"event":"progress"/)
    await keys.rotate()
    const { code, stderr } = await run.ended
    expect(code, stderr).toBe(0)
    expect(await readRun(out)).toMatchObject({ state: 'done', counts: { images, done: images } })
  })
})

describe('objects that may not be read', () => {
  it('are left out and recorded while others can be read, within --max-errors', async () => {
    await allow(toReader, denying('photos/00.png', 'photos/07.png'))
    const out = join(await folder(), 'denied')
    const { code, stderr } = await runCli(smallRun(source, out, '--max-errors', '2'), { env: asReader() })
    expect(code, stderr).toBe(3)
    expect((await readErrors(out)).map(({ key, code: failure }) => [key, failure])).toEqual([
      ['00.png', 'IMAGE_DENIED'],
      ['07.png', 'IMAGE_DENIED'],
    ])
    expect(await readRun(out)).toMatchObject({ state: 'done', counts: { images, done: images - 2, failed: 2 } })
  })

  it("end the run where all of them are denied, as the source's", async () => {
    await allow(toReader, denying('photos/*'))
    const { code, stderr } = await runCli(smallRun(source, join(await folder(), 'all-denied'), '--max-errors', '100%'), { env: asReader() })
    expect(code).toBe(1)
    expect(stderr).toContain('SOURCE_DENIED')
  })
})

describe('access that is no credential', () => {
  it('reads a public bucket with --no-sign-request and without keys, also by the environment', async () => {
    await allow('*')
    const env = { ...asReader(), AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true' }
    const without = await runCli(smallRun(source, join(await folder(), 'unsigned-0')), { env })
    expect(without.code).toBe(1)
    expect(without.stderr).toContain('--no-sign-request')
    const out = join(await folder(), 'unsigned-1')
    const { code, stderr } = await runCli(smallRun(source, out, '--no-sign-request'), { env })
    expect(code, stderr).toBe(0)
    expect(await readRun(out)).toMatchObject({ spec: { noSignRequest: true } })
    const third = await runCli(smallRun(source, join(await folder(), 'unsigned-3')), { env: { ...env, LAYERMILL_NO_SIGN_REQUEST: '1' } })
    expect(third.code, third.stderr).toBe(0)
  })

  it('reads a bucket whose readers pay with --request-payer only', async () => {
    await owner.send(new PutBucketRequestPaymentCommand({ Bucket: name, RequestPaymentConfiguration: { Payer: 'Requester' } }))
    try {
      const without = await runCli(smallRun(source, join(await folder(), 'payer-0')), { env: asReader() })
      expect(without.code, without.stderr).toBe(1)
      expect(without.stderr).toContain('--request-payer')
      const out = join(await folder(), 'payer-1')
      const { code, stderr } = await runCli(smallRun(source, out, '--request-payer'), { env: asReader() })
      expect(code, stderr).toBe(0)
      expect(await readRun(out)).toMatchObject({ state: 'done', spec: { requestPayer: true } })
    } finally {
      await owner.send(new PutBucketRequestPaymentCommand({ Bucket: name, RequestPaymentConfiguration: { Payer: 'BucketOwner' } }))
    }
  })
})
