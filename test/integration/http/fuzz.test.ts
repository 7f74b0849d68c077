import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { RequestMaker, type RawRequest } from './malformed.js'
import { startServer, tokens, type Fixture } from './server-fixture.js'

/** Another seed by environment, to look further; the one used is printed. */
const seed = Number(process.env['LAYERMILL_FUZZ_SEED'] ?? 20260101)
const requests = 2500
const connections = 500
const submissions = 2000

/** Longest wait for an answer; far above what any takes, so that only a hang reaches it. */
const hang = 30_000

interface Outcome {
  status: number
  type: string
  body: string
}

/** Sends one request; undefined where Node.js itself refuses to write it. Event streams are left once they begin. */
function send({ url }: Fixture, agent: Agent, { method, path, headers, body }: RawRequest): Promise<Outcome | undefined> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    let sent
    try {
      sent = request({ hostname, port, method, path, headers, agent, setHost: !('host' in headers), timeout: hang })
    } catch (error) {
      if (error instanceof TypeError) resolve(undefined)
      else reject(error instanceof Error ? error : new Error(String(error)))
      return
    }
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${hang} ms`)))
    sent.on('error', reject)
    sent.on('upgrade', (_response, socket) => {
      socket.destroy()
      resolve({ status: 101, type: '', body: '' })
    })
    sent.on('response', response => {
      const outcome = { status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '' }
      if (outcome.type.startsWith('text/event-stream')) {
        resolve({ ...outcome, body: '' })
        response.destroy()
        return
      }
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ ...outcome, body: Buffer.concat(chunks).toString() }))
      response.on('error', reject)
    })
    sent.end(body)
  })
}

/** Writes bytes to a connection and returns what comes back until it is closed from either side. */
function write({ url }: Fixture, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    let text = ''
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.end(bytes))
    socket.setTimeout(hang, () => {
      socket.destroy()
      reject(new Error(`the connection stayed open for ${hang} ms`))
    })
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (/\r\ncontent-type: text\/event-stream/i.test(text)) socket.destroy()
    })
    // A reset is an answer as well.
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

interface Tally {
  statuses: Map<number, number>
  unsent: number
  wrong: string[]
}

function judge({ statuses, wrong }: Tally, sent: RawRequest, outcome: Outcome): void {
  statuses.set(outcome.status, (statuses.get(outcome.status) ?? 0) + 1)
  const where = `${sent.method} ${sent.path.slice(0, 200)} ${JSON.stringify(sent.headers).slice(0, 300)} ${String(sent.body).slice(0, 300)}`
  if (outcome.status >= 500) wrong.push(`${outcome.status}: ${where}: ${outcome.body}`)
  // HEAD has no body; 417 is Node.js's own.
  if (outcome.status < 400 || sent.method === 'HEAD' || outcome.status === 417) return
  const problem =
    outcome.type === 'application/problem+json'
      ? (JSON.parse(outcome.body) as { status?: number; code?: string; detail?: string })
      : undefined
  if (problem?.status !== outcome.status || typeof problem.code !== 'string' || typeof problem.detail !== 'string') {
    wrong.push(`${outcome.status} without a problem document: ${where}: ${outcome.type} ${outcome.body.slice(0, 200)}`)
  }
}

/** Sends requests, eight at a time, and judges every answer. */
async function bombard(fixture: Fixture, count: number, make: () => RawRequest): Promise<Tally> {
  const tally: Tally = { statuses: new Map(), unsent: 0, wrong: [] }
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  for (let done = 0; done < count; done += 8) {
    const batch = Array.from({ length: Math.min(8, count - done) }, make)
    await Promise.all(
      batch.map(async sent => {
        try {
          const outcome = await send(fixture, agent, sent)
          if (outcome === undefined) tally.unsent++
          else judge(tally, sent, outcome)
        } catch (error) {
          // The server may close the connection on a body it does not want, before all of it is written.
          if (!(error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE'))) throw error
          tally.unsent++
        }
      }),
    )
  }
  agent.destroy()
  return tally
}

const start = async (): Promise<Fixture> => {
  const fixture = await startServer({ failureLimits: { failures: 1e9 }, heartbeat: 1e6 })
  await fixture.runs.submit({ kind: 'extract', source: 'photos', model: 'resnet50', out: 'features' } as never)
  return fixture
}

/** The server is as it was: it answers, has logged no error and no token, and nobody is listening. */
async function checkCalm(fixture: Fixture): Promise<void> {
  expect((await fetch(`${fixture.url}/healthz`)).status).toBe(200)
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  expect(fixture.log()).not.toContain('"level":"error"')
  expect(fixture.log()).not.toContain(tokens.admin)
  await fixture.runs.until(() => fixture.runs.listeners === 0)
  await fixture.close()
}

it(`refuses ${submissions} malformed specs by name of the field (seed ${seed})`, async () => {
  const fixture = await start()
  const maker = new RequestMaker(seed + 1, tokens.admin)
  const { statuses, unsent, wrong } = await bombard(fixture, submissions, () => maker.submission())
  expect(wrong).toEqual([])
  expect(unsent).toBe(0)
  // 202 are those that a change left valid, 400 those with fields that JSON parsers refuse.
  expect([...statuses.keys()].toSorted((a, b) => a - b)).toEqual([202, 400, 422])
  expect(statuses.get(422)).toBeGreaterThan(submissions * 0.7)
  await checkCalm(fixture)
})

it(`answers ${requests} malformed requests without a 5xx, a crash or a hang (seed ${seed})`, async () => {
  const fixture = await start()
  const maker = new RequestMaker(seed, tokens.admin)
  const { statuses, unsent, wrong } = await bombard(fixture, requests, () => maker.request())
  expect(wrong).toEqual([])
  expect(unsent).toBeLessThan(requests / 10)
  // Some were fine, and each kind of refusal came up.
  for (const status of [200, 202, 400, 401, 404, 405, 415, 422]) expect([...statuses.keys()]).toContain(status)
  await checkCalm(fixture)
})

it(`answers ${connections} connections that hardly speak HTTP (seed ${seed})`, async () => {
  const fixture = await start()
  const maker = new RequestMaker(seed + 2, tokens.admin)
  const statuses: number[] = []
  const wrong: string[] = []
  for (let done = 0; done < connections; done++) {
    const answer = await write(fixture, maker.bytes())
    for (const [, status] of answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)) {
      statuses.push(Number(status))
      if (Number(status) >= 500) wrong.push(answer.slice(0, 500))
    }
  }
  expect(wrong).toEqual([])
  expect(statuses).toContain(400)
  expect(statuses).toContain(431)
  await checkCalm(fixture)
})
