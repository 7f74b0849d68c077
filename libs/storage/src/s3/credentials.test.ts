import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fail, ok, ScriptedServer } from '../testing/scripted-server.js'
import { SharedCredentials } from './credentials.js'
import { S3Store } from './s3-store.js'

const names = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CONFIG_FILE',
] as const
let folder: string
let server: ScriptedServer
let store: S3Store
let before: Map<string, string | undefined>

const rotate = (key: string, secret = 'secret'): Promise<void> =>
  writeFile(join(folder, 'credentials'), `[default]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-credentials-'))
  before = new Map(names.map(name => [name, process.env[name]]))
  for (const name of names) delete process.env[name]
  process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(folder, 'credentials')
  process.env['AWS_CONFIG_FILE'] = join(folder, 'none')
  await rotate('first')
  server = new ScriptedServer()
  store = new S3Store('s3://bucket/run', { AWS_ENDPOINT_URL_S3: await server.start() })
})
afterEach(async () => {
  await store.close()
  await server.stop()
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  await rm(folder, { recursive: true })
})

/** The keys that requests were signed with, in order. */
const keys = (): (string | undefined)[] => server.headers.map(({ authorization }) => /Credential=(\w+)\//.exec(authorization ?? '')?.[1])
const found = ok({ 'content-length': '1' }, 'x')

describe('credentials that a server refuses', () => {
  it.each([
    [400, 'ExpiredToken'],
    [403, 'InvalidAccessKeyId'],
    [400, 'InvalidToken'],
    [403, 'SignatureDoesNotMatch'],
    [400, 'ExpiredTokenException'],
  ])('are read anew after %i %s, and the request is sent once more', async (status, code) => {
    server.script = [found, fail(status, code), found]
    expect((await store.get('a'))?.byteLength).toBe(1)
    await rotate('second')
    expect((await store.get('b'))?.byteLength).toBe(1)
    expect(keys()).toEqual(['first', 'first', 'second'])
  })

  it('are read anew for a HEAD, whose refusal names no reason', async () => {
    let now = 1e6
    const credentials = new SharedCredentials(undefined, () => now)
    const first = await credentials.get()
    // The object's own refusal: nothing is read again for a while.
    expect(await credentials.renew(first, false)).toBe(false)
    await rotate('second')
    expect(await credentials.renew(first, false)).toBe(false)
    now += 5000
    expect(await credentials.renew(first, false)).toBe(true)
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'second' })
  })

  it.each([
    [400, 'ExpiredToken'],
    [403, 'InvalidAccessKeyId'],
    [400, 'InvalidToken'],
  ])('are denied with a hint where %i %s comes again', async (status, code) => {
    server.script = [fail(status, code), fail(status, code)]
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'STORE_DENIED',
      message: expect.stringContaining(code) as string,
      hint: expect.stringContaining('read anew') as string,
    })
    expect(server.requests).toHaveLength(2)
  })

  it('are read once for all requests that were refused together', async () => {
    let opened = 0
    const credentials = new SharedCredentials(() => {
      const accessKeyId = `key${++opened}`
      return async () => ({ accessKeyId, secretAccessKey: 's' })
    })
    const used = await credentials.get()
    expect(await Promise.all(Array.from({ length: 20 }, () => credentials.renew(used, true)))).toEqual(
      Array.from({ length: 20 }, () => true),
    )
    expect(opened).toBe(2)
    expect(await credentials.renew(used, true)).toBe(true)
    expect(opened).toBe(2)
  })

  it('are the same for every store of the process', async () => {
    const other = new S3Store('s3://other', { AWS_ENDPOINT_URL_S3: server.endpoint })
    server.script = [fail(403, 'InvalidAccessKeyId'), found, found]
    await store.get('a').catch(() => undefined)
    await rotate('second')
    server.script = [fail(403, 'InvalidAccessKeyId'), found, found]
    await store.get('a')
    await other.get('b')
    expect(keys().at(-1)).toBe('second')
    await other.close()
  })
})

describe('a bucket in another region', () => {
  it.each([
    ['PermanentRedirect', fail(301, 'PermanentRedirect'), 'AWS_REGION'],
    ['AuthorizationHeaderMalformed', fail(400, 'AuthorizationHeaderMalformed'), 'AWS_REGION'],
    [
      'PermanentRedirect with the region',
      fail(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-central-1' }),
      'AWS_REGION=eu-central-1',
    ],
  ])('is hinted at: %s', async (_name, answer, hint) => {
    server.script = [answer, answer, answer]
    await expect(store.get('a')).rejects.toMatchObject({ code: 'STORE_DENIED', hint: expect.stringContaining(hint) as string })
  })
})
