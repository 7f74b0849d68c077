import { randomBytes } from 'node:crypto'
import { eventId, type Notification, queueNames } from '@layermill/contracts'
import { type Broker, openBroker } from '@layermill/queue'
import { parseSecrets, queueNotify, startWebhookWorker, type WebhookOptions, type WebhookWorker } from '@layermill/orchestrator'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { expectedSignature, Receiver } from '../../helpers/receiver.js'

const promoted: Notification = {
  event: 'model.promoted',
  data: { name: 'pets', version: 3, previous: 2, by: 'gate', promoted: '2027-01-01T00:00:00.000Z' },
}
const secrets = [1, 2].map(() => `whsec_${randomBytes(32).toString('base64')}`)

let broker: Broker
let receiver: Receiver
let url: string
let worker: WebhookWorker | undefined
let notes: string[]
let noted: () => void

beforeEach(async () => {
  broker = await openBroker()
  receiver = new Receiver()
  url = await receiver.start()
  notes = []
  noted = () => undefined
})

afterEach(async () => {
  await worker?.close()
  await broker.close()
  await receiver.stop()
})

function start(options: Partial<WebhookOptions> = {}): void {
  const note = (text: string): void => {
    notes.push(text)
    noted()
  }
  worker = startWebhookWorker(broker, {
    urls: [`${url}/all`],
    keys: parseSecrets(secrets.join(' '), 'test'),
    allowPrivate: true,
    retryDelay: 20,
    note,
    ...options,
  })
}

async function untilNoted(pattern: RegExp): Promise<string> {
  for (;;) {
    const found = notes.find(text => pattern.test(text))
    if (found !== undefined) return found
    await new Promise<void>(resolve => {
      noted = resolve
    })
  }
}

it('signs with every secret, tells each receiver, and tells the same event once', async () => {
  await queueNotify(broker)(promoted, { urls: [`${url}/own`, `${url}/all`] })
  await queueNotify(broker)(promoted, { urls: [`${url}/own`] })
  start()
  const received = await receiver.until(2)
  expect(received.map(({ path }) => path).toSorted()).toEqual(['/all', '/own'])
  const { headers, body } = received[0]!
  expect(JSON.parse(body)).toMatchObject({ type: 'model.promoted', timestamp: expect.any(String), data: promoted.data })
  expect(headers['webhook-id']).toBe(eventId(promoted))
  expect(headers['webhook-signature']).toBe(secrets.map(secret => expectedSignature(received[0]!, secret)).join(' '))
  await queueNotify(broker)({ ...promoted, data: { ...promoted.data, version: 4 } })
  expect((await receiver.until(3)).map(({ path }) => path).toSorted()).toEqual(['/all', '/all', '/own'])
})

it('tries again where a receiver fails, is slow, or redirects, and follows nowhere', async () => {
  receiver.answer = (response, count) => {
    if (count === 1) response.writeHead(500).end('x'.repeat(1_000_000))
    else if (count === 2) return
    else if (count === 3) response.writeHead(302, { location: `${url}/elsewhere` }).end()
    else response.writeHead(200).end()
  }
  start({ timeout: 200 })
  await queueNotify(broker)(promoted)
  const received = await receiver.until(4)
  expect(received.map(({ path }) => path)).toEqual(['/all', '/all', '/all', '/all'])
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(notes.map(text => text.replace(/^.*127\.0\.0\.1:\d+ /, ''))).toEqual([
    'answered 500',
    'did not answer within 200 ms',
    'answered 302: redirects are not followed',
  ])
})

it('sends nothing to addresses that are not public, nor to names that lead there', async () => {
  const { port } = new URL(url)
  start({ allowPrivate: false, urls: [`${url}/secret-path`, `http://localhost:${port}/`] })
  await queueNotify(broker)(promoted)
  expect(await untilNoted(/127\.0\.0\.1 is not a public address/)).toContain('attempt 1')
  expect(await untilNoted(/localhost is at \S+, which is not a public address/)).toContain('attempt 1')
  expect(receiver.received).toEqual([])
  expect(notes.join()).not.toContain('secret-path')
})

it("keeps the query of an operator's webhook out of the queue and of notes", async () => {
  receiver.answer = (response, count) => void response.writeHead(count === 1 ? 500 : 200).end()
  start({ urls: [`${url}/hook?code=hunter2`] })
  await queueNotify(broker)(promoted)
  expect((await receiver.until(2)).map(({ path }) => path)).toEqual(['/hook?code=hunter2', '/hook?code=hunter2'])
  const jobs = await broker.queue(queueNames.webhooks).getJobs(['active', 'completed', 'delayed', 'failed', 'waiting'])
  expect(JSON.stringify(jobs.map(({ data }) => data))).toContain(`${url}/hook"`)
  expect(JSON.stringify(jobs.map(({ id, data }) => [id, data]))).not.toContain('hunter2')
  expect(notes.join()).not.toContain('hunter2')
})

it('sends nothing unsigned, and gives up on a receiver that wants no more', async () => {
  start({ keys: [] })
  await queueNotify(broker)(promoted)
  expect(await untilNoted(/no secret to sign it with/)).toContain('model.promoted')
  await worker?.close()
  receiver.answer = response => void response.writeHead(410).end()
  start()
  await queueNotify(broker)({ ...promoted, data: { ...promoted.data, version: 5 } })
  expect(await untilNoted(/wants no more/)).toContain('attempt 1')
  expect(receiver.received).toHaveLength(1)
  expect(() => parseSecrets('whsec_c2hvcnQ=', 'LAYERMILL_WEBHOOK_SECRET')).toThrow(expect.objectContaining({ code: 'WEBHOOK_SECRET' }))
})
