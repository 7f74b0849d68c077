import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { mulberry32, LayermillError } from '@layermill/core'
import { startPartWorker, WorkerFitness } from '@layermill/inference'
import { openBroker } from '@layermill/queue'
import { openStore } from '@layermill/storage'
import { afterAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, readErrors, readIndex, readRun } from '../../helpers/results.js'
import { namesIn } from '../../helpers/watch.js'
import { canMount, Chaos, type ProcessFault, submit, total } from './chaos.js'

const folder = testFolder('fleet-processes')
const seed = Number(process.env['LAYERMILL_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
/** Of the whole campaign, which `LAYERMILL_CAMPAIGN=1` asks for. By default a sixth of images and faults, and every kind of fault. */
const scale = Number(process.env['LAYERMILL_CAMPAIGN'] ?? 1 / 6)
const images = Math.round(5000 * scale)
/** Times as many faults: `LAYERMILL_CAMPAIGN_FAULTS=3` is more than 300 of the whole. */
const density = Number(process.env['LAYERMILL_CAMPAIGN_FAULTS'] ?? 1)
const partSize = 16
const parts = Math.ceil(images / partSize)
const mountable = await canMount()
const faults = scaled({
  'kill worker': 20,
  'kill orchestrator': 7,
  'kill redis': 9,
  'freeze worker': 22,
  'freeze orchestrator': 10,
  'fail over redis': 10,
  'refuse writes': 10,
  'older worker': 4,
  // Left out where a process cannot have file systems of its own.
  ...(mountable ? { 'unmount source': 12, 'unmount output': 10 } : {}),
})
let fleet: Fleet | undefined

function scaled(counts: Partial<Record<ProcessFault, number>>): Partial<Record<ProcessFault, number>> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Math.max(2, Math.round(count * scale * density))]))
}

afterAll(() => fleet?.stop())

/** Many keys of few pictures: a picture's own time to make is not what is tested. */
async function manyImages(photos: string): Promise<string[]> {
  const distinct = await writeImages(join(await folder(), 'distinct'), 100)
  const keys: string[] = []
  for (let i = 0; i < images; i++) {
    const key = `${i % 7}/image${String(i).padStart(5, '0')}.png`
    if (i < 7) await mkdir(join(photos, String(i)), { recursive: true })
    await copyFile(join(await folder(), 'distinct', distinct[i % distinct.length]!), join(photos, key))
    keys.push(key)
  }
  return keys
}

/** A worker that lacks what the jobs ask for, as one of an older version does: whatever it takes it hands back. */
async function joinOlderWorker(queue: string): Promise<void> {
  const broker = await openBroker(queue, { onError: () => undefined })
  const refuse = (): never => {
    throw new LayermillError('RECORD_NEWER', 'the run is of a newer version than this worker')
  }
  const fitness = new WorkerFitness({ firstProbe: 200, mostBetweenProbes: 500 })
  try {
    startPartWorker(broker, { process: async () => refuse(), probe: async () => refuse() }, { guard: { fitness } })
    await pause(2000)
  } finally {
    fitness.close()
    await broker.close(1000)
  }
}

/** Removes as the next writer does what was left by processes killed late: those must all be dead by then. */
async function sweepAsNextWriter(out: string): Promise<void> {
  await using store = openStore(out)
  await store.put('next-writer', '')
  await store.delete('next-writer')
}

/** Strikes as the run goes on, so that every fault falls into it; ends when the run is done. */
async function strikeUntilDone(chaos: Chaos, out: string): Promise<void> {
  const all = total(faults)
  for (;;) {
    // First: parts that are committed after this was looked at do not matter then.
    const done = (await namesIn(out)).includes('_SUCCESS')
    const committed = (await namesIn(join(out, 'commits'))).filter(name => name.endsWith('.json')).length
    if (done) {
      expect(committed).toBe(parts)
      return
    }
    // The last tenth of the run is left in peace, so that it shows that the fleet recovers.
    const due = Math.min(all, Math.floor((committed / (parts * 0.9)) * all) + 1)
    if (all - chaos.left < due) chaos.strike()
    await pause(30)
  }
}

describe(`processes of a fleet that die and freeze (seed ${seed}; set LAYERMILL_TEST_SEED to repeat)`, () => {
  it(`${total(faults)} faults over ${images} images with 3 workers and 2 orchestrators: nothing lost, nothing twice`, async () => {
    const photos = join(await folder(), 'photos')
    const keys = await manyImages(photos)
    const spec = ['--part-size', String(partSize), '--pool', 'avg']
    const undisturbed = join(await folder(), 'undisturbed')
    succeeded(await runCli(smallRun(photos, undisturbed, ...spec)))

    fleet = await Fleet.start({}, { appendOnly: true })
    const out = join(await folder(), 'out')
    const chaos = new Chaos({
      fleet,
      random: mulberry32(seed),
      workers: 3,
      orchestrators: 2,
      faults,
      ...(mountable ? { places: { source: photos, output: out } } : {}),
      olderWorker: () => joinOlderWorker(fleet!.queue),
    })
    const server = await chaos.startOrchestrators()
    await submit(server, {
      kind: 'extract',
      source: photos,
      out,
      model: 'googlenet',
      weights: 'random:1',
      layers: ['conv2'],
      size: '32x32',
      partSize,
      pool: 'avg',
    })
    await chaos.startWorkers()
    await strikeUntilDone(chaos, out)
    await chaos.settle()

    expect(await readRun(out)).toMatchObject({ state: 'done', counts: { images, done: images, failed: 0, parts } })
    expect(await commitFaults(out)).toEqual([])
    const found = (await readIndex(out)).map(({ key }) => key)
    const lost = keys.length - new Set(found).size
    const duplicated = found.length - new Set(found).size
    const errors = await readErrors(out)
    process.stdout.write(
      `seed ${seed}: ${total(chaos.struck)} faults ${JSON.stringify(chaos.struck)}, ${found.length} images, ${errors.length} in errors, lost ${lost}, duplicated ${duplicated}\n`,
    )
    expect({ lost, duplicated, errors: errors.length }).toEqual({ lost: 0, duplicated: 0, errors: 0 })
    // A fault that found nothing to strike comes later, which may be after the run.
    expect(total(chaos.struck)).toBeGreaterThan(0.8 * total(faults))
    // A worker that was frozen may still be at a part which another one has done.
    await fleet.stop()
    await sweepAsNextWriter(out)
    expect(await fileHashes(out)).toEqual(await fileHashes(undisturbed))
  }, 2_400_000)
})
