import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { mulberry32 } from '@layermill/core'
import { openStore, type Store } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { download, Fleet } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { imageBytes } from '../../helpers/images.js'
import { commitFaults, readErrors, readIndex, readNpy, readRun } from '../../helpers/results.js'
import { RotatedKeys } from '../../helpers/rotated-keys.js'
import { useS3Server } from '../../integration/storage/s3-server.js'
import { Chaos, submit, total } from './chaos.js'
import { type ProxyFault, proxyFaults, type S3Proxy, startS3Proxy } from './s3-proxy.js'

const folder = testFolder('fleet-s3-faults')
const seed = Number(process.env['LAYERMILL_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
const random = mulberry32(seed)
/**
 * Of the whole campaign, which `LAYERMILL_CAMPAIGN=1` asks for. By default less, with every kind of fault as often among as many requests.
 */
const scale = Number(process.env['LAYERMILL_CAMPAIGN'] ?? 1 / 3)
const images = Math.round(5000 * scale)
const partSize = 40
const truncated = 6
const changed = 6
const deleted = 6
/** Objects that may not be read, where all others may. */
const denied = 6
/** Times that every key of the workers is refused for a while, though it is none's fault. */
const revocations = Math.max(3, Math.round(8 * scale))
/** Times that the workers' keys are rotated: a new one in their credentials file, the old one gone from the server. */
const rotations = Math.max(3, Math.round(10 * scale))
/** Faults of processes: of each kind one at least. */
const times = (count: number): number => Math.max(1, Math.round(count * scale))
const bucket = `faults-${randomBytes(4).toString('hex')}`
const source = `s3://${bucket}/photos`
const key = (i: number): string => `${i % 4}/image${String(i).padStart(4, '0')}.png`

let s3: Awaited<ReturnType<typeof useS3Server>>
let proxy: S3Proxy
let workerProxy: S3Proxy
let fleet: Fleet
let store: Store
let keys: RotatedKeys
/** Share of requests that a fault strikes. */
let share = 0
/** The keys of workers are refused until then. */
let revokedUntil = 0
let deniedPaths: ReadonlySet<string> = new Set()

/** Workers have a proxy of their own: the orchestrator's keys stay. */
function chooseForWorkers(request: IncomingMessage): ProxyFault | undefined {
  return Date.now() < revokedUntil ? 'revoked key' : choose(request)
}

function choose({ url = '', method }: IncomingMessage): ProxyFault | undefined {
  if (method === 'GET' && deniedPaths.has(url.split('?')[0]!)) return 'denied object'
  return random() < share ? proxyFaults[Math.floor(random() * proxyFaults.length)] : undefined
}

beforeAll(async () => {
  s3 = await useS3Server()
  await createBucket(bucket)
  store = openStore(source)
  const bytes = await Promise.all(Array.from({ length: 60 }, (_, i) => imageBytes(i)))
  const put = (i: number): Promise<unknown> => {
    const whole = bytes[i % bytes.length]!
    return store.put(key(i), i < truncated ? whole.subarray(0, whole.length * 0.6) : whole)
  }
  for (let i = 0; i < images; i += 50) await Promise.all(Array.from({ length: Math.min(50, images - i) }, (_, j) => put(i + j)))
  proxy = await startS3Proxy(s3.endpoint, choose)
  workerProxy = await startS3Proxy(s3.endpoint, chooseForWorkers)
  keys = new RotatedKeys(s3.env, 'test', join(await folder(), 'worker-keys'))
  await keys.rotate()
  fleet = await Fleet.start({ env: { AWS_ENDPOINT_URL_S3: proxy.url } }, { appendOnly: true })
})

afterAll(async () => {
  await fleet?.stop()
  await proxy?.close()
  await workerProxy?.close()
  await store?.close()
  await s3?.stop()
})

describe(`a store that fails (seed ${seed}; set LAYERMILL_TEST_SEED to repeat)`, () => {
  it(`errors, slow and cut answers, damaged, changed and deleted objects, dying workers: every one of ${images} images once`, async () => {
    const spec = { model: 'googlenet', weights: 'random:1', layers: ['conv2'], size: '32x32', partSize, pool: 'avg', maxErrors: images }
    const undisturbed = join(await folder(), 'undisturbed')
    const flags = [
      '--model',
      spec.model,
      '--weights',
      spec.weights,
      '--layers',
      'conv2',
      '--size',
      spec.size,
      '--part-size',
      String(partSize),
      '--pool',
      'avg',
      '--max-errors',
      String(images),
    ]
    const reference = await runCli(['extract', source, ...flags, '--device', 'cpu', '--out', undisturbed])
    expect(reference.code, reference.stderr).toBe(3)

    share = 0.03
    const chaos = new Chaos({
      fleet,
      random,
      workers: 3,
      orchestrators: 1,
      workerCli: { env: { AWS_ENDPOINT_URL_S3: workerProxy.url, ...keys.environment } },
      faults: { 'kill worker': times(5), 'freeze worker': times(5), 'kill orchestrator': times(2) },
    })
    const server = await chaos.startOrchestrators()
    const out = `s3://${bucket}/features`
    await submit(server, { kind: 'extract', source, out, ...spec })
    const results = openStore(out)
    // Once all is listed, and before any is read.
    await expect
      .poll(async () => JSON.parse(new TextDecoder().decode(await results.get('run.json')) || '{}') as unknown, {
        interval: 300,
      })
      .toMatchObject({ planned: true })
    const changedKeys = Array.from({ length: changed }, (_, i) => key(truncated + i * 31))
    const deletedKeys = Array.from({ length: deleted }, (_, i) => key(truncated + 7 + i * 41))
    for (const [i, name] of changedKeys.entries()) await store.put(name, await imageBytes(10_000 + i))
    for (const name of deletedKeys) await store.delete(name)
    const deniedKeys = Array.from({ length: denied }, (_, i) => key(truncated + 13 + i * 43))
    deniedPaths = new Set(deniedKeys.map(name => `/${bucket}/photos/${name}`))
    await chaos.startWorkers()
    let revoked = 0
    await expect
      .poll(
        async () => {
          chaos.strike()
          if (revoked < revocations && Date.now() > revokedUntil + 3000) {
            revoked++
            revokedUntil = Date.now() + 1200
          }
          if (keys.rotations < rotations) await keys.rotate(keys.rotations % 2 === 1)
          return (await results.stat('_SUCCESS')) !== undefined
        },
        { timeout: 800_000, interval: 1500 },
      )
      .toBe(true)
    await chaos.settle()
    share = 0
    await results.close()

    const local = join(await folder(), 'local')
    await download(out, local)
    const [index, errors] = [await readIndex(local), await readErrors(local)]
    const places = [...index.map(row => row.key), ...errors.map(row => row.key)]
    const lost = images - new Set(places).size
    const duplicated = places.length - new Set(places).size
    const objects = truncated + changed + deleted + denied
    const struck = Object.fromEntries(
      Object.entries(proxy.struck).map(([name, count]) => [name, count + workerProxy.struck[name as ProxyFault]]),
    )
    for (const fault of proxyFaults) expect(struck[fault], `${fault} struck`).toBeGreaterThan(0)
    const faults = total(struck) + total(chaos.struck) + objects + keys.rotations
    expect(keys.rotations).toBeGreaterThan(0)
    process.stdout.write(
      `seed ${seed}: ${faults} faults ${JSON.stringify({ ...struck, ...chaos.struck, revocations: revoked, rotations: keys.rotations, objects })} in ${proxy.requests() + workerProxy.requests()} requests, ` +
        `${places.length} images, ${errors.length} in errors, lost ${lost}, duplicated ${duplicated}\n`,
    )
    expect({ lost, duplicated }).toEqual({ lost: 0, duplicated: 0 })
    expect(await commitFaults(local)).toEqual([])
    expect(await readRun(local)).toMatchObject({ state: 'done', counts: { images, done: images - objects, failed: objects } })
    const codes = new Map(errors.map(row => [row.key, row.code]))
    for (const name of changedKeys) expect(codes.get(name), name).toBe('IMAGE_CHANGED')
    for (const name of deletedKeys) expect(codes.get(name), name).toBe('IMAGE_MISSING')
    for (const name of deniedKeys) expect(codes.get(name), name).toBe('IMAGE_DENIED')
    for (let i = 0; i < truncated; i++) expect(codes.get(key(i)), key(i)).toMatch(/^IMAGE_(TRUNCATED|CORRUPT)$/)
    const [before, after] = [await readNpy(undisturbed, 'conv2'), await readNpy(local, 'conv2')]
    expect(after.size).toBe(images - objects)
    const same = (a: readonly number[], b: readonly number[] = []): boolean =>
      a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
    expect([...after].filter(([name, values]) => !same(values, before.get(name))).map(([name]) => name)).toEqual([])
  }, 900_000)
})
