import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliProcess, runCli } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'

const folder = testFolder('fleet-security')
const secret = (): string => randomBytes(24).toString('hex')
const password = secret()
const env = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: secret(),
  AWS_SESSION_TOKEN: secret(),
  LAYERMILL_WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
}
let root = ''
let token = ''
let url = ''
let fleet: Fleet
let bucket: Server
let bucketUrl = ''
const asked: string[] = []
const processes: CliProcess[] = []

/** A bucket that lists one image and refuses everything else, and says with what it was asked, as AWS does. */
function startBucket(): Promise<void> {
  bucket = createServer((request, response) => {
    asked.push(request.url ?? '')
    const said = String(request.headers['x-amz-security-token'])
    response.setHeader('content-type', 'application/xml')
    if (request.url?.startsWith('/photos') === true && request.url.includes('list-type=2')) {
      response.end(
        '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a.png</Key><ETag>"1"</ETag><Size>9</Size></Contents></ListBucketResult>',
      )
    } else {
      response
        .writeHead(403)
        .end(`<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message><Token-0>${said}</Token-0></Error>`)
    }
  })
  return new Promise(resolve =>
    bucket.listen(0, '127.0.0.1', () => {
      bucketUrl = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`
      resolve()
    }),
  )
}

beforeAll(async () => {
  root = await folder()
  await writeImages(join(root, 'images'), 2)
  const tokens = join(root, 'tokens.jsonl')
  token = succeeded(await runCli(['tokens', 'add', 'me', '--scopes', 'submit', '--tokens-file', tokens])).stdout.trim()
  await startBucket()
  fleet = await Fleet.start({ env: { ...env, AWS_ENDPOINT_URL_S3: bucketUrl } }, { password })
  const server = await fleet.serve([
    '--tokens-file',
    tokens,
    '--allow-path',
    root,
    '--state',
    join(root, 'state'),
    '--webhook',
    `${bucketUrl}/hook`,
    '--log-level',
    'debug',
  ])
  url = server.url
  processes.push(server.process, await fleet.worker())
})

afterAll(async () => {
  await fleet?.stop()
  bucket?.close()
})

const headers = (): Record<string, string> => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' })

async function post(path: string, body: object): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await fetch(`${url}${path}`, { method: 'POST', headers: headers(), body: JSON.stringify(body) })
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> }
}

/** Submits a run, waits for its end, and gives its detail as text. */
async function runToItsEnd(fields: object): Promise<string> {
  const { answer } = await post('/v1/runs', {
    kind: 'extract',
    model: 'googlenet',
    weights: 'random:1',
    layers: ['conv2'],
    size: '32x32',
    device: 'cpu',
    ...fields,
  })
  const at = `${url}/v1/runs/${String(answer['id'])}`
  await (await fetch(`${at}/events`, { headers: headers() })).text()
  return (await fetch(at, { headers: headers() })).text()
}

it('reads and writes below the allowed places only, whoever asks over HTTP', async () => {
  const source = join(root, 'images')
  const spec = { kind: 'extract', model: 'googlenet', weights: 'random:1', source, out: join(root, 'out') }
  for (const fields of [
    { source: '/etc' },
    { source: 'file:///etc/hosts.txt' },
    { out: '/srv/elsewhere' },
    { weights: '/etc/passwd' },
    { source: `${source}/../../..` },
  ]) {
    expect(await post('/v1/runs', { ...spec, ...fields })).toMatchObject({ status: 403, answer: { code: 'PLACE_REFUSED' } })
  }
  expect(await post('/v1/schedules', { name: 'nightly', cron: '0 3 * * *', spec: { ...spec, source: '/etc' } })).toMatchObject({
    status: 403,
    answer: { code: 'PLACE_REFUSED' },
  })
})

it('lists no images elsewhere, also where a list at an allowed place names them', async () => {
  const list = join(root, 'list.txt')
  await writeFile(list, 'images/image00000.png\n/usr/share/pixmaps/logo.png\n')
  const run = JSON.parse(await runToItsEnd({ source: list, out: join(root, 'listed') })) as object
  expect(run).toMatchObject({
    state: 'failed',
    error: { code: 'PLACE_REFUSED', message: expect.stringContaining('list.txt:2: /usr/share/pixmaps/logo.png') as string },
  })
  await writeFile(list, `images/image00000.png\n${join(root, 'images/image00001.png')}\n`)
  expect(JSON.parse(await runToItsEnd({ source: list, out: join(root, 'listed'), overwrite: true }))).toMatchObject({
    state: 'done',
    counts: { done: 2 },
  })
})

it('fetches no weights from inside the network', async () => {
  const before = asked.length
  const spec = { kind: 'extract', model: 'googlenet', source: join(root, 'images'), out: join(root, 'private') }
  // Names are resolved when they are asked, which a submission does: none of these becomes a run.
  for (const fields of [
    { weights: `${bucketUrl}/model.npz` },
    { weights: `${bucketUrl}/model.npz`, plan: true },
    { weights: `${bucketUrl.replace('127.0.0.1', 'localhost')}/model.npz` },
    { notify: [`${bucketUrl}/hook`] },
  ]) {
    expect(await post('/v1/runs', { ...spec, ...fields })).toMatchObject({ status: 422, answer: { code: 'ADDRESS_REFUSED' } })
  }
  expect(asked.slice(before)).toEqual([])
})

it('answers a plan without queueing or writing anything', async () => {
  const fields = { source: join(root, 'images'), weights: 'random:1', device: 'cpu', plan: true }
  const extract = await post('/v1/runs', {
    ...fields,
    kind: 'extract',
    model: 'googlenet',
    layers: ['conv2'],
    size: '64x64',
    out: join(root, 'planned'),
  })
  expect(extract).toMatchObject({
    status: 200,
    answer: { kind: 'extract', model: 'googlenet', images: 2, parts: 1, outputBytes: 2 * 4 * 192 * 16 * 16 },
  })
  const predict = await post('/v1/runs', { ...fields, kind: 'predict', model: 'googlenet', out: join(root, 'planned.csv') })
  expect(predict).toMatchObject({ status: 200, answer: { kind: 'predict', images: 2, layers: [], outputBytes: 0 } })
  const finetune = await post('/v1/runs', { ...fields, kind: 'finetune', model: 'googlenet', out: join(root, 'planned'), source: root })
  expect(finetune).toMatchObject({ status: 422, answer: { code: 'CLASS_TOO_FEW' } })
  expect(await readdir(root)).not.toContain('planned')
  const listed = (await (await fetch(`${url}/v1/runs`, { headers: headers() })).json()) as { runs: { out: string }[] }
  expect(listed.runs.filter(({ out }) => out.includes('planned'))).toEqual([])
  const command = await fleet.command(
    [
      'extract',
      join(root, 'images'),
      '--model',
      'googlenet',
      '--weights',
      'random:1',
      '--layers',
      'pool5',
      '--out',
      join(root, 'planned'),
      '--plan',
      '--server',
      url,
    ],
    { env: { LAYERMILL_TOKEN: token } },
  )
  expect(command.stdout).toContain('2 images')
  expect(await readdir(root)).not.toContain('planned')
})

async function filesOf(place: string): Promise<string[]> {
  const names = await readdir(place, { recursive: true, withFileTypes: true })
  return Promise.all(
    names
      .filter(entry => entry.isFile() && !entry.name.endsWith('.png'))
      .map(entry => readFile(join(entry.parentPath, entry.name), 'latin1')),
  )
}

/** Everything that Redis holds, as text. */
async function queueContents(): Promise<string[]> {
  const redis = new Redis(fleet.queue)
  try {
    const texts: string[] = []
    for (const key of await redis.keys('*')) texts.push(key, (await redis.dumpBuffer(key))?.toString('latin1') ?? '')
    return texts
  } finally {
    redis.disconnect()
  }
}

it('writes no secret anywhere, also where everything fails', async () => {
  const seen = [
    await runToItsEnd({ source: 's3://photos/', out: join(root, 'unread') }),
    await runToItsEnd({ source: 's3://closed/', out: join(root, 'unlisted') }),
  ]
  for (const text of seen) expect(text).toMatch(/"state":"failed".*SOURCE_DENIED.*the credentials are refused \(ExpiredToken\)/s)
  const refused = await post('/v1/runs', { kind: 'extract', source: join(root, 'images'), model: 'resnet50', out: 's3://closed/out' })
  expect(refused.status).toBe(422)
  const command = await fleet.command(['runs', 'list', '--queue', fleet.queue])
  expect(command.code, command.stderr).toBe(0)
  seen.push(
    JSON.stringify(refused),
    command.stdout,
    command.stderr,
    ...processes.map(process => process.output()),
    ...(await filesOf(root)),
    ...(await queueContents()),
  )
  const secrets = {
    password,
    token,
    secretKey: env.AWS_SECRET_ACCESS_KEY,
    sessionToken: env.AWS_SESSION_TOKEN,
    webhook: env.LAYERMILL_WEBHOOK_SECRET.slice('whsec_'.length),
  }
  for (const [name, value] of Object.entries(secrets)) {
    expect(seen.filter(text => text.includes(value)).map(text => `${name} in: ${text.slice(0, 500)}`)).toEqual([])
  }
  // Proof that the texts looked into are those that were meant.
  expect(seen.join('')).toMatch(/AccessDenied|ExpiredToken/)
  expect(asked.some(path => path.includes('/photos/a.png'))).toBe(true)
})
