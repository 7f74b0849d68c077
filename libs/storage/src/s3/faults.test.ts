import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, fail, ok, ScriptedServer } from '../testing/scripted-server.js'
import { openSource } from '../sources/open-source.js'
import { requireExactSwaps } from '../change-object.js'
import { S3Store } from './s3-store.js'

const reset: Answer = request => request.socket.resetAndDestroy()
/** Half of what was announced, then the connection breaks. */
const cutOff: Answer = (request, _body, response) => {
  response.writeHead(200, { 'content-length': '10', etag: '"e1"' })
  response.write('01234', () => request.socket.resetAndDestroy())
}
/** Fewer bytes than announced, and an orderly end. */
const tooShort: Answer = (request, _body, response) => {
  response.writeHead(200, { 'content-length': '10', etag: '"e1"' })
  response.write('01234', () => request.socket.end())
}

/** Half of what was announced, then silence. */
const stalled: Answer = (_request, _body, response) => {
  response.writeHead(200, { 'content-length': '10', etag: '"e1"' })
  response.write('01234')
}
const silent: Answer = () => {}

let server: ScriptedServer
let store: S3Store
beforeEach(async () => {
  server = new ScriptedServer()
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' })
  store = new S3Store('s3://bucket/run', { AWS_ENDPOINT_URL_S3: await server.start() })
})
afterEach(async () => {
  await store.close()
  await server.stop()
})

const text = async (key: string): Promise<string | undefined> => {
  const bytes = await store.get(key)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

describe('reading from a server that fails', () => {
  it.each([
    ['SlowDown', fail(503, 'SlowDown')],
    ['InternalError', fail(500, 'InternalError')],
    ['a reset connection', reset],
    ['a body cut off', cutOff],
    ['a body that ends early', tooShort],
  ])('tries again after %s', async (_name, fault) => {
    server.script = [fault, fault, ok({ 'content-length': '10' }, '0123456789')]
    expect(await text('file')).toBe('0123456789')
    expect(server.requests).toEqual(['GET /bucket/run/file', 'GET /bucket/run/file', 'GET /bucket/run/file'])
  })

  it('gives up a request that is not answered, and a body that stops coming, and frees their connections', async () => {
    const impatient = new S3Store(
      's3://bucket/run',
      { AWS_ENDPOINT_URL_S3: server.endpoint },
      { connect: 10_000, answer: 1000, idle: 1000 },
    )
    server.script = [silent, stalled, ok({ 'content-length': '10' }, '0123456789')]
    expect(Buffer.from((await impatient.get('file')) ?? []).toString()).toBe('0123456789')
    expect(server.requests).toHaveLength(3)
    await impatient.close()
    await server.allHungUp()
  })

  it('does not try again what cannot succeed', async () => {
    server.script = [fail(403, 'AccessDenied')]
    await expect(store.get('file')).rejects.toMatchObject({
      code: 'STORE_DENIED',
      message: expect.stringContaining('s3://bucket/run/file') as string,
    })
    expect(server.requests).toHaveLength(1)
  })

  it('goes on listing after a page fails', async () => {
    const page = (keys: string[], next?: string): Answer =>
      ok(
        { 'content-type': 'application/xml' },
        `<ListBucketResult><EncodingType>url</EncodingType>
      <IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}
      ${keys.map(key => `<Contents><Key>run/${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`).join('')}</ListBucketResult>`,
      )
    server.script = [page(['a%2Bb', 'c+d'], 'more'), fail(503, 'SlowDown'), reset, page(['e%25'])]
    const keys: string[] = []
    for await (const entry of store.list('')) keys.push(entry.key)
    expect(keys).toEqual(['a+b', 'c d', 'e%'])
  })

  it('refuses a listing that is not in order', async () => {
    server.script = [
      ok(
        { 'content-type': 'application/xml' },
        '<ListBucketResult><Contents><Key>run/b</Key></Contents><Contents><Key>run/a</Key></Contents></ListBucketResult>',
      ),
    ]
    await expect(async () => {
      for await (const entry of store.list('')) expect(entry.key).toBe('b')
    }).rejects.toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining('order') as string })
  })
})

/** The answers to the questions a store asks before its first conditional write: PUT, refused PUT, refused PUT, HEAD, PUT, DELETE. */
const probe: Answer[] = [ok(), fail(412, 'PreconditionFailed'), fail(412, 'PreconditionFailed'), ok(), ok(), ok()]

describe('writing to a server that fails', () => {
  it('sends the whole body again', async () => {
    const bodies: string[] = []
    server.script = [
      reset,
      fail(503, 'SlowDown'),
      (request, body, response) => {
        bodies.push(body.toString())
        ok()(request, body, response)
      },
    ]
    expect(await store.put('file', 'content')).toBe(true)
    expect(bodies).toEqual(['content'])
  })

  it('tries again after a conflict of conditional writes', async () => {
    server.script = [...probe, fail(409, 'ConditionalRequestConflict'), ok()]
    expect(await store.put('file', 'x', { ifAbsent: true })).toBe(true)
  })

  it('knows its own write when the answer was lost', async () => {
    server.script = [
      ...probe,
      reset,
      fail(412, 'PreconditionFailed'),
      (request, body, response) => {
        ok({ 'x-amz-meta-layermill-write': server.marks.at(-1) ?? '' })(request, body, response)
      },
    ]
    expect(await store.put('file', 'x', { ifAbsent: true })).toBe(true)
  })

  it("does not take another writer's object for its own, even with the same bytes", async () => {
    server.script = [...probe, reset, fail(412, 'PreconditionFailed'), ok({ 'x-amz-meta-layermill-write': 'another' })]
    expect(await store.put('file', 'x', { ifAbsent: true })).toBe(false)
  })

  it('looks first where the server knows no conditions', async () => {
    const blind: Answer[] = [ok(), ok(), ok(), ok()]
    server.script = [...blind, ok({ 'content-length': '1' })]
    expect(await store.put('file', 'x', { ifAbsent: true })).toBe(false)
    server.script = [fail(404, 'NoSuchKey'), ok()]
    expect(await store.put('file', 'x', { ifAbsent: true })).toBe(true)
    expect(server.requests.slice(-2)).toEqual(['HEAD /bucket/run/file', 'PUT /bucket/run/file'])
    expect(await store.conditions()).toEqual({ ifAbsent: false, ifMatch: undefined })
    expect(await store.swapsExactly()).toBe(false)
    await expect(requireExactSwaps(store, 'a registry of models')).rejects.toMatchObject({
      code: 'STORE_CONDITIONS',
      message: expect.stringMatching(/s3:\/\/bucket\/run.*registry of models/) as string,
    })
  })

  it('warns once of a server that knows no conditions, whatever is opened', async () => {
    const warnings: string[] = []
    for (const place of ['s3://bucket/a', 's3://bucket/b']) {
      const warned = new S3Store(place, { AWS_ENDPOINT_URL_S3: server.endpoint }, undefined, text => warnings.push(text))
      server.script = [ok(), ok(), ok(), ok(), fail(404, 'NoSuchKey'), ok()]
      expect(await warned.put('file', 'x', { ifAbsent: true })).toBe(true)
      await warned.close()
    }
    expect(warnings).toEqual([expect.stringContaining('s3://bucket ignores conditional writes')])
  })

  it('takes an upload in parts away when a part is refused', async () => {
    server.script = [
      ok({ 'content-type': 'application/xml' }, '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>'),
      ...Array.from({ length: 4 }, () => fail(403, 'AccessDenied')),
      ok(),
    ]
    await expect(store.put('file', new Uint8Array(65 * 1024 * 1024))).rejects.toMatchObject({ code: 'STORE_DENIED' })
    expect(server.requests[0]).toBe('POST /bucket/run/file')
    expect(server.requests.at(-1)).toBe('DELETE /bucket/run/file')
  })
})

describe('S3 URLs', () => {
  it.each([
    's3://',
    's3://a',
    's3://key:secret@bucket/x',
    's3://bucket name/x',
    's3://bucket/a//b',
    's3://bucket/../x',
    's3://bucket/a/..',
    'S3://bucket/a/../b/',
  ])('refuses %s', url => {
    expect(() => new S3Store(url, {})).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') as string }) as Error,
    )
  })

  it.each([
    's3://bucket/a/../b/',
    's3://bucket/..',
    'S3://bucket/a/../list.csv',
    's3://bucket/a/../x-{00..03}.tar',
    's3://bucket/*/../x.jpg',
  ])('refuses to go up, as a source and as a store: %s', async url => {
    const refusal = expect.objectContaining({
      code: 'STORE_URL',
      message: expect.stringContaining("'..' in a place of a bucket") as string,
    }) as Error
    await expect(openSource(url)).rejects.toThrow(refusal)
    expect(() => new S3Store(url, {})).toThrow(refusal)
  })
})
