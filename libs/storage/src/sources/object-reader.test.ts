import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, fail, ok, ScriptedServer } from '../testing/scripted-server.js'
import { spread } from './object-reader.js'
import { openSource } from './open-source.js'
import type { ImageSource } from './source.js'

const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_ENDPOINT_URL_S3: '' }
let before: Map<string, string | undefined>
let server: ScriptedServer
let source: ImageSource | undefined
/** Answers of the server to a GET of each object. */
let objects: Map<string, Answer>
let listing: Answer | undefined

const image = ok({ 'content-length': '1' }, 'x')

function answerTo({ url = '', method }: { url?: string | undefined; method?: string | undefined }): Answer {
  const { pathname, searchParams } = new URL(url, 'http://s3')
  if (searchParams.has('list-type')) {
    const prefix = searchParams.get('prefix') ?? ''
    const after = searchParams.get('start-after') ?? ''
    const keys = [...objects.keys()].filter(key => key.startsWith(prefix) && key > after)
    const contents = keys.map(key => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e1"</ETag></Contents>`).join('')
    return (
      listing ??
      ok({ 'content-type': 'application/xml' }, `<ListBucketResult><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>`)
    )
  }
  const answer = objects.get(decodeURIComponent(pathname.slice('/bucket/'.length)))
  if (answer === undefined) return fail(404, 'NoSuchKey')
  // A HEAD has no body.
  return method !== 'HEAD' || answer === image
    ? answer
    : (_request, _body, response) => {
        response.writeHead(403).end()
      }
}

beforeEach(async () => {
  server = new ScriptedServer()
  server.answerTo = answerTo
  objects = new Map(Array.from({ length: 30 }, (_, index) => [`photos/${String(index).padStart(2, '0')}.jpg`, image]))
  listing = undefined
  before = new Map(Object.keys(environment).map(name => [name, process.env[name]]))
  Object.assign(process.env, environment, { AWS_ENDPOINT_URL_S3: await server.start() })
})
afterEach(async () => {
  await source?.close()
  await server.stop()
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})

const denied: [string, Answer][] = [
  ['denied by a policy', fail(403, 'AccessDenied')],
  ['with a disabled key', fail(400, 'KMS.DisabledException')],
  ['with a key that is to be deleted', fail(400, 'KMS.KMSInvalidStateException')],
]

describe('an object that its server keeps back', () => {
  it.each(denied)("is the image's failure while others can be read: %s", async (_name, answer) => {
    objects.set('photos/07.jpg', answer)
    source = await openSource('s3://bucket/photos/')
    // The first that is asked for: nothing else has been read yet.
    await expect(source.read({ key: '07.jpg' })).rejects.toMatchObject({
      code: 'IMAGE_DENIED',
      message: expect.stringContaining('photos/07.jpg') as string,
    })
    expect(await source.read({ key: '08.jpg' })).toHaveLength(1)
    await expect(source.read({ key: '07.jpg' })).rejects.toMatchObject({ code: 'IMAGE_DENIED' })
  })

  it("is the image's failure where it is archived, whatever the others are", async () => {
    for (const key of objects.keys()) objects.set(key, fail(403, 'InvalidObjectState'))
    source = await openSource('s3://bucket/photos/')
    await expect(source.read({ key: '07.jpg' })).rejects.toMatchObject({
      code: 'IMAGE_ARCHIVED',
      hint: expect.stringContaining('Restore') as string,
    })
    objects.set('photos/08.jpg', fail(403, 'AccessDenied'))
    await expect(source.read({ key: '08.jpg' })).rejects.toMatchObject({ code: 'IMAGE_DENIED' })
  })

  it('is found among many that are kept back as well', async () => {
    for (const key of [...objects.keys()].slice(0, 25)) objects.set(key, fail(403, 'AccessDenied'))
    source = await openSource('s3://bucket/photos/')
    await expect(source.read({ key: '00.jpg' })).rejects.toMatchObject({ code: 'IMAGE_DENIED' })
  })

  it.each(denied)("is the source's failure where none can be read: %s", async (_name, answer) => {
    source = await openSource('s3://bucket/photos/')
    expect(await source.read({ key: '07.jpg' })).toHaveLength(1)
    // Objects that could be read before do not count: access was taken away since.
    for (const key of objects.keys()) objects.set(key, answer)
    await expect(source.read({ key: '08.jpg' })).rejects.toMatchObject({ code: 'SOURCE_DENIED' })
    await expect(source.read({ key: '07.jpg' })).rejects.toMatchObject({ code: 'SOURCE_DENIED' })
  })

  it("is the source's failure where it alone is asked for, or nothing may be listed", async () => {
    objects.set('photos/07.jpg', fail(403, 'AccessDenied'))
    listing = fail(403, 'AccessDenied')
    source = await openSource('s3://bucket/photos/')
    await expect(source.read({ key: '07.jpg' })).rejects.toMatchObject({ code: 'SOURCE_DENIED' })
    // One that has been read is enough.
    await source.read({ key: '08.jpg' })
    await expect(source.read({ key: '07.jpg' })).rejects.toMatchObject({ code: 'IMAGE_DENIED' })
  })

  it('does not end the listing of a list, and is judged when it is read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'layermill-list-'))
    try {
      objects.set('photos/07.jpg', fail(403, 'AccessDenied'))
      await writeFile(join(folder, 'list.txt'), [...objects.keys()].map(key => `s3://bucket/${key}\n`).join(''))
      source = await openSource(join(folder, 'list.txt'))
      const items = []
      for await (const item of source.items()) items.push(item)
      expect(items).toHaveLength(30)
      expect(items[7]).toMatchObject({ bytes: 0, etag: '' })
      await expect(source.read(items[7]!)).rejects.toMatchObject({ code: 'IMAGE_DENIED' })
      expect(await source.read(items[8]!)).toHaveLength(1)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('access to a source', () => {
  it('pays for every request where it was asked to, and for none otherwise', async () => {
    source = await openSource('s3://bucket/photos/', { access: { requestPayer: true } })
    for await (const item of source.items()) await source.read(item)
    expect(server.headers.length).toBeGreaterThan(30)
    expect(
      server.headers.every(
        headers => headers['x-amz-request-payer'] === 'requester' && headers.authorization?.includes('x-amz-request-payer') === true,
      ),
    ).toBe(true)
    await source.close()
    server.headers.length = 0
    source = await openSource('s3://bucket/photos/')
    await source.read({ key: '00.jpg' })
    expect(server.headers.map(headers => headers['x-amz-request-payer'])).toEqual([undefined])
  })

  it('signs nothing for public buckets, and asks for no credentials', async () => {
    delete process.env['AWS_ACCESS_KEY_ID']
    source = await openSource('s3://bucket/photos/', { access: { noSignRequest: true } })
    for await (const item of source.items()) await source.read(item)
    expect(server.headers.every(headers => headers.authorization === undefined)).toBe(true)
  })
})

it('spreads what is tried over all of a page', () => {
  const keys = Array.from({ length: 100 }, (_, index) => String(index))
  expect(spread(keys, 4)).toEqual(['0', '25', '50', '75'])
  expect(spread(keys.slice(0, 2), 4)).toEqual(['0', '1'])
})
