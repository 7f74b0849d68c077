import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CliOptions, type CliProcess, runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, readCommits, readRun } from '../../helpers/results.js'
import { until } from '../../helpers/watch.js'
import { submit } from './chaos.js'

const execute = promisify(execFile)
const folder = testFolder('fleet-unfit')
const fleets: Fleet[] = []
let mountable = false

beforeAll(async () => {
  mountable = await execute('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).then(
    () => true,
    () => false,
  )
})
afterAll(() => Promise.all(fleets.map(fleet => fleet.stop())))

interface Unfit {
  readonly run: string
  readonly code: string
  readonly reason: string
  readonly since: string
}

async function startFleet(): Promise<Fleet> {
  const fleet = await Fleet.start()
  fleets.push(fleet)
  return fleet
}

/** A process that sees an empty file system in the place of a folder, as where nothing is mounted there. */
const without = (place: string): CliOptions => ({ shell: `exec unshare -m sh -c 'mount -t tmpfs tmpfs "$0" && exec "$@"' "${place}" "$@"` })

const idOf = (worker: CliProcess): Promise<string> => untilSaid(worker, /worker (\S+): onnx on cpu/)

async function get<Value>(url: string): Promise<Value> {
  return (await (await fetch(url)).json()) as Value
}

const runAt = (
  server: string,
  id: string,
): Promise<{ state: string; waiting?: { code: string; reason: string; since: string }; error?: { code: string; message: string } }> =>
  get(`${server}/v1/runs/${id}`)

async function unfitAt(server: string, worker: string): Promise<Unfit[]> {
  const { workers } = await get<{ workers: { id: string; unfit?: Unfit[] }[] }>(`${server}/v1/workers`)
  return workers.find(({ id }) => id === worker)?.unfit ?? []
}

const spec = (source: string, out: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  kind: 'extract',
  source,
  out,
  model: 'googlenet',
  weights: 'random:1',
  layers: ['conv2'],
  size: '32x32',
  partSize: 4,
  pool: 'avg',
  ...more,
})

describe('a worker that lacks what another has', () => {
  it('hands a run without its source back, says so, works on others, and spoils nothing', async context => {
    if (!mountable) return context.skip('file systems cannot be mounted here')
    const [photos, pets] = [join(await folder(), 'photos'), join(await folder(), 'pets')]
    await Promise.all([writeImages(photos, 40), writeImages(pets, 12)])
    const [undisturbed, out, other] = [join(await folder(), 'undisturbed'), join(await folder(), 'out'), join(await folder(), 'other')]
    succeeded(await runCli(smallRun(photos, undisturbed, '--part-size', '4', '--pool', 'avg')))

    const fleet = await startFleet()
    const { url } = await fleet.serve(['--unfit-deadline', '600'])
    const unfit = await fleet.worker([], without(photos))
    const id = await idOf(unfit)
    const run = await submit(url, spec(photos, out))
    await until(async () => (await runAt(url, run)).waiting?.code === 'workers-unfit', 'waits for a worker that is fit')
    const [told] = await unfitAt(url, id)
    expect(told).toMatchObject({ run, code: 'SOURCE_MISSING', reason: expect.stringContaining(photos) })
    expect((await runAt(url, run)).waiting).toMatchObject({ reason: expect.stringContaining(id), since: told!.since })
    expect(unfit.output()).toMatch(new RegExp(`"run":"${run}","code":"SOURCE_MISSING"`))
    expect(unfit.stderr()).toContain(`run ${run}: this worker cannot work on it`)

    const another = await submit(url, spec(pets, other))
    await until(async () => (await runAt(url, another)).state === 'done', 'the other run ends')
    expect(new Set((await readCommits(other)).map(({ worker }) => worker))).toEqual(new Set([id]))

    const fit = await fleet.worker()
    await until(async () => (await runAt(url, run)).state === 'done', 'the run ends')
    expect(await readRun(out)).toMatchObject({ counts: { images: 40, done: 40, failed: 0, parts: 10 } })
    expect(new Set((await readCommits(out)).map(({ worker }) => worker))).toEqual(new Set([await idOf(fit)]))
    expect(await commitFaults(out)).toEqual([])
    expect(await fileHashes(out)).toEqual(await fileHashes(undisturbed))
  })

  it('does not end the run where the results cannot be reached from it', async context => {
    if (!mountable) return context.skip('file systems cannot be mounted here')
    const [photos, place] = [join(await folder(), 'more-photos'), join(await folder(), 'place')]
    await Promise.all([writeImages(photos, 24), writeImages(place, 1)])
    const out = join(place, 'out')
    const fleet = await startFleet()
    const { url } = await fleet.serve(['--unfit-deadline', '600'])
    const unfit = await fleet.worker([], without(place))
    const run = await submit(url, spec(photos, out))
    await until(
      async () => (await unfitAt(url, await idOf(unfit))).some(entry => entry.run === run && entry.code === 'RUN_MISSING'),
      'the worker says that it is unfit',
    )
    await fleet.worker()
    await until(async () => (await runAt(url, run)).state === 'done', 'the run ends')
    expect(await readRun(out)).toMatchObject({ counts: { images: 24, done: 24, failed: 0 } })
  })

  it('ends the run where no worker can carry it, and the error names all of them', async context => {
    if (!mountable) return context.skip('file systems cannot be mounted here')
    const photos = join(await folder(), 'photos-of-nobody')
    await writeImages(photos, 8)
    const fleet = await startFleet()
    const { url } = await fleet.serve(['--unfit-deadline', '1'])
    const ids = await Promise.all((await Promise.all([fleet.worker([], without(photos)), fleet.worker([], without(photos))])).map(idOf))
    const run = await submit(url, spec(photos, join(await folder(), 'out-of-nobody')))
    await until(async () => (await runAt(url, run)).state === 'failed', 'the run fails')
    const { error } = await runAt(url, run)
    expect(error?.code).toBe('WORKERS_UNFIT')
    for (const id of ids) expect(error?.message).toContain(`${id}: SOURCE_MISSING`)
  })

  it('is not believed that images are missing which another worker can read', async context => {
    if (!mountable) return context.skip('file systems cannot be mounted here')
    const photos = join(await folder(), 'nested')
    const inside = join(photos, 'b')
    await Promise.all([writeImages(join(photos, 'a'), 8), writeImages(inside, 8)])
    const out = join(await folder(), 'out-nested')
    const fleet = await startFleet()
    const { url } = await fleet.serve(['--unfit-deadline', '600'])
    // The root is there for both; one folder in it is not there for one of them, and one image for none.
    const [partial] = await Promise.all([fleet.worker([], without(inside)), fleet.worker()])
    const run = await submit(url, spec(photos, out))
    await until(async () => (await runAt(url, run)).state === 'done', 'the run ends')
    expect(await readRun(out)).toMatchObject({ counts: { images: 16, done: 16, failed: 0 } })
    expect(await idOf(partial)).not.toBe('')
  })
})
