import { afterAll, beforeAll, expect, it } from 'vitest'
import { bearer, type Fixture, startServer } from './server-fixture.js'

let fixture: Fixture
beforeAll(async () => {
  fixture = await startServer()
})
afterAll(() => fixture?.close())

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown; location: string | null }> {
  const response = await fetch(`${fixture.url}${path}`, {
    method,
    headers: { ...bearer('submit'), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text), location: response.headers.get('location') }
}

const nightly = {
  name: 'nightly',
  cron: '0 3 * * *',
  tz: 'Europe/Berlin',
  spec: { kind: 'extract', source: 's3://b/photos/', model: 'resnet50', out: 's3://b/features' },
}

it('adds, shows, changes, pauses, runs and removes', async () => {
  expect(await ask('POST', '/v1/schedules', nightly)).toMatchObject({
    status: 201,
    location: '/v1/schedules/nightly',
    body: { name: 'nightly', overlap: 'skip', paused: false },
  })
  expect(await ask('POST', '/v1/schedules', nightly)).toMatchObject({ status: 409, body: { code: 'SCHEDULE_EXISTS' } })
  expect(await ask('GET', '/v1/schedules')).toMatchObject({ status: 200, body: { schedules: [{ name: 'nightly', cron: '0 3 * * *' }] } })
  expect(await ask('PATCH', '/v1/schedules/nightly', { overlap: 'queue' })).toMatchObject({
    status: 200,
    body: { overlap: 'queue', cron: '0 3 * * *' },
  })
  expect(await ask('POST', '/v1/schedules/nightly/pause')).toMatchObject({ status: 200, body: { paused: true } })
  expect(await ask('POST', '/v1/schedules/nightly/resume')).toMatchObject({ status: 200, body: { paused: false } })
  expect(await ask('POST', '/v1/schedules/nightly/run')).toMatchObject({ status: 202, body: { schedule: 'nightly', tick: 'asked' } })
  expect(await ask('GET', '/v1/schedules/nightly')).toMatchObject({
    status: 200,
    body: { upcoming: expect.arrayContaining(['2026-01-03T02:00:00.000Z']), history: [] },
  })
  expect(await ask('DELETE', '/v1/schedules/nightly')).toMatchObject({ status: 204, body: undefined })
  expect(await ask('GET', '/v1/schedules/nightly')).toMatchObject({ status: 404, body: { code: 'SCHEDULE_UNKNOWN' } })
})

it('names the fields that are wrong', async () => {
  expect(await ask('POST', '/v1/schedules', { ...nightly, cron: '0 99 * * *', spec: { ...nightly.spec, dtype: 'float8' } })).toMatchObject({
    status: 422,
    body: {
      code: 'SPEC_INVALID',
      errors: [expect.stringContaining('cron: got "0 99 * * *"'), expect.stringContaining('spec.dtype: got "float8"')],
    },
  })
  expect(await ask('PATCH', '/v1/schedules/nightly', { tz: 'Mars/Base' })).toMatchObject({
    status: 422,
    body: { detail: expect.stringContaining('tz: got "Mars/Base"') },
  })
  expect(await ask('GET', '/v1/schedules/NOT-A-NAME')).toMatchObject({ status: 400, body: { code: 'PARAMETER_INVALID' } })
})
