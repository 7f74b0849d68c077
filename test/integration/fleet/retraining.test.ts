/** A fleet that retrains: one server with its schedules, registry and results on S3, one worker, one receiver of webhooks. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunRecord, ScheduleDetail } from '@layermill/contracts'
import { ModelRegistry } from '@layermill/orchestrator/registry'
import { openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliProcess, runCli } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { expectedSignature, type Received, Receiver } from '../../helpers/receiver.js'
import { useS3Server } from '../storage/s3-server.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('retraining')
const bucket = `retraining-${randomBytes(4).toString('hex')}`
const place = (name: string): string => `s3://${bucket}/${name}`
const secret = `whsec_${randomBytes(32).toString('base64')}`
const receiver = new Receiver()
let fleet: Fleet
let s3: Awaited<ReturnType<typeof useS3Server>>
let server: { process: CliProcess; url: string }
let shapes: string

const serve = async (): Promise<{ process: CliProcess; url: string }> =>
  fleet.serve(
    ['--state', place('state'), '--registry', place('registry'), '--webhook', `${receiverUrl}/told`, '--allow-private-webhooks'],
    { env: { LAYERMILL_WEBHOOK_SECRET: secret } },
  )
let receiverUrl = ''

beforeAll(async () => {
  s3 = await useS3Server()
  await createBucket(bucket)
  receiverUrl = await receiver.start()
  shapes = join(await folder(), 'shapes')
  await writeShapes(shapes, 10)
  fleet = await Fleet.start()
  server = await serve()
  await fleet.worker()
})

afterAll(async () => {
  await fleet?.stop()
  await receiver.stop()
  await s3?.stop()
})

/** A tiny head on a tiny network, which any challenger may replace. */
const training = {
  kind: 'finetune',
  model: 'googlenet',
  weights: 'random:1',
  layer: 'conv2',
  size: '32x32',
  epochs: 2,
  batchSize: 8,
  validation: 0.3,
  device: 'cpu',
  register: { name: 'shapes', margin: 1 },
}

/** Messages that webhooks were sent, by type and data. */
const typeOf = ({ body }: Received): string => (JSON.parse(body) as { type: string }).type
const dataOf = ({ body }: Received): Record<string, unknown> => (JSON.parse(body) as { data: Record<string, unknown> }).data
const told = (type: string, holds: (data: Record<string, unknown>) => boolean): Promise<Received> =>
  receiver.untilSome(message => typeOf(message) === type && holds(dataOf(message)))

const schedule = async (...args: string[]): Promise<string> => succeeded(await runCli(['schedule', ...args, '--server', server.url])).stdout
const shown = async (name: string): Promise<ScheduleDetail> => ScheduleDetail.parse(JSON.parse(await schedule('show', name, '--json')))

/** Record of the model in the registry, read past the server. */
async function model(): Promise<Awaited<ReturnType<ModelRegistry['get']>>> {
  const store = openStore(place('registry'))
  try {
    return await new ModelRegistry(store).get('shapes')
  } finally {
    await store.close()
  }
}

async function recordAt(out: string): Promise<RunRecord> {
  const store = openStore(out)
  try {
    return JSON.parse(new TextDecoder().decode(await store.get('run.json'))) as RunRecord
  } finally {
    await store.close()
  }
}

it('registers what a server trained, and tells of it with a signature that the receiver can check', async () => {
  const spec = join(await folder(), 'first.json')
  await writeFile(spec, JSON.stringify({ ...training, source: shapes, out: place('runs/first') }))
  const trained = await runCli(['finetune', '-f', spec, '--server', server.url])
  expect(trained, trained.stderr).toMatchObject({ code: 0, stderr: expect.stringContaining('shapes@1: promoted: the first version') })
  const { latest, details, history } = await model()
  expect({ latest, details, history }).toMatchObject({
    latest: 1,
    details: [{ version: 1, complete: true, latest: true }],
    history: [{ event: 'promoted', version: 1, by: `run ${details[0]!.run}` }],
  })
  const finished = await told('run.finished', ({ id }) => id === details[0]!.run)
  expect(finished.path).toBe('/told')
  expect(finished.headers['webhook-signature']).toBe(expectedSignature(finished, secret))
  expect(dataOf(finished)).toMatchObject({ kind: 'finetune', state: 'done', out: place('runs/first') })
  const promoted = await told('model.promoted', ({ version }) => version === 1)
  expect(promoted.headers['webhook-signature']).toBe(expectedSignature(promoted, secret))
  expect(dataOf(promoted)).toMatchObject({ name: 'shapes', version: 1, run: details[0]!.run })
})

it('retrains by schedule: a tick trains, the gate judges, latest.json moves; then there is nothing to do', async () => {
  const spec = join(await folder(), 'retrain.json')
  await writeFile(spec, JSON.stringify({ ...training, learningRate: 0.0004, source: shapes, out: place('runs/{date}-{run}') }))
  await schedule('add', 'retrain', '--cron', '* * * * * *', '--tz', 'Europe/Berlin', '-f', spec)
  const run = await untilSaid(server.process, /schedule retrain: tick \S+ is run (finetune-\S+?)"/)
  await untilSaid(server.process, /schedule retrain: tick \S+ skipped: unchanged/)
  await schedule('pause', 'retrain')
  const { history } = await shown('retrain')
  expect(history.filter(({ state }) => state !== 'skipped')).toMatchObject([{ state: 'done', run }])
  const { latest, details } = await model()
  expect(latest).toBe(2)
  expect(details[0]).toMatchObject({
    version: 2,
    run,
    evaluation: { promoted: true, champion: { version: 1 }, challenger: { version: 2 }, bootstrap: { resamples: 10_000 } },
  })
  expect(dataOf(await told('model.promoted', ({ version }) => version === 2))).toMatchObject({ previous: 1, run })
  expect(await recordAt(String(history.find(tick => tick.run === run)?.out))).toMatchObject({ id: run, state: 'done' })
})

it('extracts anew where shapes@latest means another version, and goes on with its schedules in S3 after a restart', async () => {
  const spec = join(await folder(), 'features.json')
  const out = place('features')
  await writeFile(spec, JSON.stringify({ kind: 'extract', source: shapes, model: 'shapes@latest', layers: ['fc'], device: 'cpu', out }))
  await schedule('add', 'features', '--cron', '* * * * * *', '-f', spec)
  await untilSaid(server.process, /schedule features: tick \S+ skipped: unchanged/)
  expect((await recordAt(out)).spec).toMatchObject({ model: place('registry/models/shapes/versions/2') })

  server.process.child.kill('SIGTERM')
  expect(await server.process.ended).toMatchObject({ code: 0 })
  server = await serve()
  await untilSaid(server.process, /schedule features: tick \S+ skipped: unchanged/)
  const answer = await fetch(`${server.url}/v1/models/shapes/rollback`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'takes discs for squares' }),
  })
  expect(await answer.json()).toMatchObject({ version: 1 })
  await untilSaid(server.process, /schedule features: tick \S+ is run extract-/)
  await expect.poll(() => recordAt(out)).toMatchObject({ state: 'done', spec: { model: place('registry/models/shapes/versions/1') } })
  expect(dataOf(await told('model.promoted', ({ previous }) => previous === 2))).toMatchObject({
    version: 1,
    why: 'takes discs for squares',
  })
  await schedule('remove', 'features')
  expect(JSON.parse(await schedule('list', '--json'))).toMatchObject({ name: 'retrain', paused: true })
})

it('tells each event once', () => {
  const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
  expect(ids).toHaveLength(new Set(ids).size)
})
