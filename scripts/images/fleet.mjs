/**
 * A fleet of built images over Redis and an S3 server on this machine: what the manifests promise, seen. An orchestrator and two workers compute
 * from a bucket into a bucket; one worker is told to stop in the middle of a part; a token is taken away while the server runs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../services/debian.mjs'
import { startRadosgw } from '../services/radosgw.mjs'
import { startRedis } from '../services/redis.mjs'
import { makeVolume, openContainers } from './containers.mjs'

/** Size that an image promises, in bytes, on amd64. */
const maxImageBytes = 330e6

/** Program in the image that fills a bucket and looks into it: the image's own SDK and picture library. */
const bucketProgram = `
const [act, count] = process.argv.slice(1)
const { createRequire } = require('node:module')
const from = createRequire('/app/libs/storage/package.json')
const { S3Client, CreateBucketCommand, PutObjectCommand, ListObjectsV2Command } = from('@aws-sdk/client-s3')
const sharp = createRequire('/app/libs/preprocess/package.json')('sharp')
const client = new S3Client({ forcePathStyle: true })
const main = async () => {
  if (act === 'fill') {
    await client.send(new CreateBucketCommand({ Bucket: 'layermill' }))
    for (let i = 0; i < Number(count); i++) {
      const background = { r: (i * 37) % 256, g: (i * 91) % 256, b: (i * 53) % 256 }
      const Body = await sharp({ create: { width: 64, height: 64, channels: 3, background } }).png().toBuffer()
      await client.send(new PutObjectCommand({ Bucket: 'layermill', Key: 'photos/' + String(i).padStart(4, '0') + '.png', Body }))
    }
  } else {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'layermill', Prefix: act }))
    console.log(Contents.map(({ Key }) => Key).join('\\n'))
  }
}
main().catch(error => { console.error(error.message); process.exitCode = 1 })
`

/** @param {string} title @param {unknown} truth @param {() => string} [more] */
function must(title, truth, more = () => '') {
  if (!truth) throw new Error(`${title}: NO\n${more()}`)
  console.log(`${title}: yes`)
}

/** Asks again until it is so, or fails after two minutes. @template T @param {string} what @param {() => Promise<T | undefined>} ask @param {() => string} more @returns {Promise<T>} */
async function until(what, ask, more) {
  const deadline = Date.now() + 120_000
  for (;;) {
    const found = await ask().catch(() => undefined)
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`${what} took over two minutes\n${more()}`)
    await sleep(50)
  }
}

const images = 120

/** Facts that an image tells about itself, from inside. */
const factsProgram = `
const fs = require('node:fs')
let root = 'writable'
try { fs.writeFileSync('/app/x', '') } catch (error) { root = error.code }
const status = fs.readFileSync('/proc/self/status', 'utf8')
console.log(JSON.stringify({
  uid: process.getuid(), root, caps: /CapBnd:\\s*(\\w+)/.exec(status)[1], arch: process.arch, node: process.versions.node,
  libraries: fs.readdirSync('/app/node_modules/onnxruntime-node/bin/napi-v6/linux'),
  snapshots: fs.readdirSync('/app/libs/queue/dist/embedded').filter(name => name.endsWith('.tar')).length,
  license: fs.existsSync('/app/LICENSE'),
  components: JSON.parse(fs.readFileSync('/app/about/sbom.cdx.json', 'utf8')).components.length,
  licences: fs.readFileSync('/app/about/licenses.txt', 'utf8').length,
}))
`

/** Runs programs of the images, and ends them all. */
class Trial {
  /** @param {string} builder @param {{ orchestrator: string, worker: string }} tags */
  constructor(builder, tags) {
    this.tags = tags
    this.containers = openContainers(builder)
    this.volumes = [makeVolume(), makeVolume(), makeVolume()]
    this.started = []
    this.services = []
    /** @type {Record<string, string>} */
    this.env = { LAYERMILL_THREADS: '1' }
  }

  async startServices() {
    const redis = await startRedis()
    this.services.push(redis)
    this.env.LAYERMILL_QUEUE = redis.url
    const s3 = await startRadosgw()
    this.services.push(s3)
    for (const name of ['AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) this.env[name] = s3.env[name]
  }

  /** The orchestrator's image unless a worker's is meant: the first volume is its own. */
  start(command, { worker, entrypoint } = {}) {
    const image = worker === undefined ? this.tags.orchestrator : this.tags.worker
    const volume = this.volumes[worker ?? 0].folder
    const container = this.containers.start({ image, volume, env: this.env, command, entrypoint })
    this.started.push(container)
    return container
  }

  /** Output of a command, which must end well. */
  async toEnd(command, more) {
    const container = this.start(command, more)
    const code = await container.ended
    if (code !== 0) throw new Error(`${command.join(' ').slice(0, 200)}: exit code ${code}\n${container.output()}`)
    return container.output()
  }

  /** A program of Node.js in the image. */
  async program(text, ...words) {
    return this.toEnd(['-e', text, '--', ...words], { entrypoint: 'node' })
  }

  async close() {
    for (const container of this.started) {
      try {
        container.kill('SIGKILL')
      } catch {
        // It has ended.
      }
    }
    await Promise.allSettled(this.started.map(({ ended }) => ended))
    await Promise.allSettled(this.services.map(service => service.stop()))
    this.containers.close()
    for (const volume of this.volumes) volume.remove()
  }
}

/** @param {Trial} trial */
function checkSizes(trial) {
  for (const [name, tag] of Object.entries(trial.tags)) {
    const bytes = trial.containers.size(tag)
    console.log(`${name}: ${(bytes / 1e6).toFixed(0)} MB`)
    if (process.arch === 'x64') must(`${name} has at most ${maxImageBytes / 1e6} MB`, bytes <= maxImageBytes)
  }
}

/** @param {Trial} trial */
async function checkContents(trial) {
  const facts = await trial.program(factsProgram)
  const { uid, root, caps, libraries, snapshots, components, licences, license, arch, node } = JSON.parse(facts)
  console.log(`Node.js ${node}, ${components} components, ${Math.round(licences / 1000)} kB of licences`)
  const isBound = uid === 1000 && /^0+$/.test(caps) && root === 'EROFS'
  must('runs as user 1000 without capabilities on a read-only root', isBound, () => facts)
  must('has the library of its own architecture alone', libraries.join() === arch, () => facts)
  const isWhole = snapshots === 1 && license && components > 100 && licences > 1e5
  must("has the embedded queue's snapshot, its licence, a bill of materials and licences", isWhole, () => facts)
}

/** A token of the orchestrator's own file, in its volume. @param {Trial} trial @param {string} name */
async function addToken(trial, name) {
  const text = await trial.toEnd(['tokens', 'add', name, '--scopes', 'admin'])
  const token = /\b[\w-]{40,}\b/.exec(text)?.[0]
  if (token === undefined) throw new Error(`tokens add printed no token: ${text}`)
  return token
}

const stores = ['--weights-store', 's3://layermill/weights']

/** @param {Trial} trial @param {string} token */
async function startOrchestrator(trial, token) {
  const port = await freePort()
  const places = [...stores, '--state', 's3://layermill/state', '--registry', 's3://layermill/registry']
  const container = trial.start(['serve', '--host', '127.0.0.1', '--port', String(port), ...places])
  const api = (address, options = {}, secret = token) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
    return fetch(`http://127.0.0.1:${port}${address}`, { ...options, headers })
  }
  await until('the orchestrator was ready', async () => ((await api('/readyz')).ok ? true : undefined), container.output)
  const { code, output } = container.exec(['node', '/app/apps/cli/bin/healthcheck.js'])
  must('the health check follows the port', code === 0, () => output + container.output())
  return { container, api }
}

/** @param {Trial} trial @param {number} number of the worker, from 1 */
async function startWorker(trial, number) {
  const port = await freePort()
  const health = ['--host', '127.0.0.1', '--health-port', String(port)]
  const container = trial.start(['worker', '--device', 'cpu', ...health, '--drain-deadline', '150', ...stores], { worker: number })
  const get = address => fetch(`http://127.0.0.1:${port}${address}`)
  await until('a worker was ready', async () => ((await get('/readyz')).ok ? true : undefined), container.output)
  const isBusy = async () => (/^layermill_worker_jobs_active [1-9]/m.test(await (await get('/metrics')).text()) ? true : undefined)
  return { container, isBusy }
}

const spec = {
  kind: 'extract',
  source: 's3://layermill/photos/',
  model: 'googlenet',
  weights: 'random:1',
  layers: ['pool5'],
  out: 's3://layermill/features',
  partSize: 8,
}

/** From a bucket into a bucket, while one of two workers is told to stop. */
async function checkExtraction(trial, orchestrator, [first, second]) {
  const submitted = await orchestrator.api('/v1/runs', { method: 'POST', body: JSON.stringify(spec) })
  const run = await submitted.json()
  must('a run is taken', submitted.status === 202, () => JSON.stringify(run))
  await until('a worker was in a part', first.isBusy, first.container.output)
  first.container.kill('SIGTERM')
  const code = await first.container.ended
  const finished = code === 0 && /drain/i.test(first.container.output())
  must('a worker that is told to stop in a part finishes it and ends with 0', finished, () => `${code}\n${first.container.output()}`)
  const underWay = ['queued', 'running', 'waiting', 'planned']
  const ask = async () => {
    const state = await (await orchestrator.api(`/v1/runs/${run.id}`)).json()
    return underWay.includes(state.state) ? undefined : state
  }
  const ended = await until('the run', ask, () => orchestrator.container.output() + second.container.output())
  const isWhole = ended.counts?.done === images && (ended.counts?.failed ?? 0) === 0
  must('the run is done, with every image', isWhole, () => JSON.stringify(ended) + orchestrator.container.output())
  const files = await trial.program(bucketProgram, 'features/')
  must('its files are in the bucket', files.includes('features/_SUCCESS') && files.includes('features/run.json'), () => files)
}

/**
 * @param {string} builder @param {{ orchestrator: string, worker: string }} tags
 * @returns {Promise<void>} throws with the first promise that is broken
 */
export async function tryFleet(builder, tags) {
  const trial = new Trial(builder, tags)
  try {
    checkSizes(trial)
    await trial.startServices()
    await checkContents(trial)
    await trial.program(bucketProgram, 'fill', String(images))
    const [mine, other] = [await addToken(trial, 'mine'), await addToken(trial, 'other')]
    const orchestrator = await startOrchestrator(trial, mine)
    const workers = [await startWorker(trial, 1), await startWorker(trial, 2)]
    await checkExtraction(trial, orchestrator, workers)

    const answerTo = async token => (await orchestrator.api('/v1/runs', {}, token)).status
    must('a token lets its owner in', (await answerTo(other)) === 200)
    await trial.toEnd(['tokens', 'remove', 'other'])
    must('a token that is removed in the mounted folder is refused from the next request on', (await answerTo(other)) === 401)
    must('the other token stays', (await answerTo(mine)) === 200)

    const left = [orchestrator.container, workers[1].container]
    for (const container of left) container.kill('SIGTERM')
    const codes = await Promise.all(left.map(({ ended }) => ended))
    must('all end with 0 at SIGTERM', codes.join() === '0,0', () => codes.join() + orchestrator.container.output())
  } finally {
    await trial.close()
  }
}
