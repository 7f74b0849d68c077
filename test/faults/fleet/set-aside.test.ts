import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, openBroker } from '@layermill/queue'
import { TermMarks } from '@layermill/orchestrator/service'
import { Fleet } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { until } from '../../helpers/watch.js'
import { submit } from './chaos.js'

const folder = testFolder('fleet-set-aside')
let fleet: Fleet
let broker: Broker

beforeAll(async () => {
  fleet = await Fleet.start()
  broker = await openBroker(fleet.queue)
})
afterAll(async () => {
  await broker.close()
  await fleet.stop()
})

describe('marks of terms', () => {
  it('set a run aside whose terms ended twice without a word, and let it be resumed', async () => {
    const marks = new TermMarks(broker)
    await marks.begin('twice')
    const second = await marks.begin('twice')
    await expect(new TermMarks(broker).begin('twice')).rejects.toMatchObject({
      code: 'RUN_SET_ASIDE',
      message: expect.stringContaining('2 times'),
    })
    await second.passed()
    await (await new TermMarks(broker).begin('twice')).passed()
  })

  it('hold nothing against a run that came through, nor against one that was handed back', async () => {
    for (let term = 0; term < 4; term++) await (await new TermMarks(broker).begin('sound')).passed()
    for (let term = 0; term < 4; term++) await (await new TermMarks(broker).begin('moved')).left()
    // One end, then handed back: the end is remembered, and there is none to add.
    await new TermMarks(broker).begin('once')
    for (let term = 0; term < 4; term++) {
      const taken = await new TermMarks(broker).begin('once')
      await expect(taken.left()).resolves.toBeUndefined()
    }
    await expect(new TermMarks(broker).begin('once')).resolves.toBeDefined()
  })

  it('are not taken away by a term that another one has followed', async () => {
    const first = await new TermMarks(broker).begin('followed')
    const second = await new TermMarks(broker).begin('followed')
    await first.passed()
    await expect(new TermMarks(broker).begin('followed')).rejects.toMatchObject({ code: 'RUN_SET_ASIDE' })
    await second.passed()
  })

  it('let suspects through one at a time', async () => {
    const before = new TermMarks(broker)
    await before.begin('suspect-1')
    await before.begin('suspect-2')
    const marks = new TermMarks(broker)
    const order: string[] = []
    const first = await marks.begin('suspect-1')
    const second = marks.begin('suspect-2').then(async term => {
      order.push('second begins')
      await term.passed()
    })
    // A run that is not suspected waits for no other.
    await (await marks.begin('innocent')).passed()
    order.push('first passes')
    await first.passed()
    await second
    expect(order).toEqual(['first passes', 'second begins'])
  })
})

it('a run that ends its orchestrator twice is set aside with the reason, and a run beside it is carried out', async () => {
  const [poison, photos] = [join(await folder(), 'poison'), join(await folder(), 'photos')]
  await Promise.all([writeImages(poison, 2), writeImages(photos, 8)])
  // Stands for whatever ends a process while it lists a source.
  const ending = join(await folder(), 'ending.mjs')
  await writeFile(
    ending,
    `
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
for (const name of ['readdir', 'opendir']) {
  const real = fs[name]
  fs[name] = (path, ...rest) => String(path).includes('poison') ? process.exit(7) : real(path, ...rest)
}
syncBuiltinESMExports()
`,
  )
  const serve = () => fleet.serve(['--lock-duration', '2'], { nodeArgs: ['--import', ending] })
  await fleet.worker()
  const common = { kind: 'extract', model: 'googlenet', weights: 'random:1', layers: ['conv2'], size: '32x32', pool: 'avg' }
  let server = await serve()
  const good = await submit(server.url, { ...common, source: photos, out: join(await folder(), 'good') })
  const bad = await submit(server.url, { ...common, source: poison, out: join(await folder(), 'bad') })
  let ends = 0
  const stateOf = async (id: string): Promise<{ state: string; error?: { code: string; message: string } }> =>
    (await (await fetch(`${server.url}/v1/runs/${id}`)).json()) as { state: string; error?: { code: string; message: string } }
  for (;;) {
    const { child } = server.process
    await until(
      async () => child.exitCode !== null || (await stateOf(bad).catch(() => undefined))?.state === 'failed',
      'the orchestrator ends, or sets the run aside',
    )
    if (child.exitCode === null) break
    expect(child.exitCode).toBe(7)
    ends += 1
    expect(ends).toBeLessThan(4)
    server = await serve()
  }
  expect(ends).toBe(2)
  expect((await stateOf(bad)).error).toMatchObject({ code: 'RUN_SET_ASIDE' })
  await until(async () => (await stateOf(good)).state === 'done', 'the other run is carried out')
})
