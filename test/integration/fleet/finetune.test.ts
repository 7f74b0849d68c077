import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliResult, runCli } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { readRun } from '../../helpers/results.js'
import { namesIn } from '../../helpers/watch.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('fleet-finetune')
const files = ['model.safetensors', 'metrics.jsonl'] as const
let fleet: Fleet
let source: string
let expected: Buffer[]

const contents = (out: string): Promise<Buffer[]> => Promise.all(files.map(name => readFile(join(out, name))))

/** Running statistics that move, dropout and augmentation: all that could depend on who computes, and who coordinates. */
const tiny = (out: string, ...more: readonly string[]): string[] => [
  'finetune',
  source,
  '--model',
  'resnet50',
  '--weights',
  'random:1',
  '--layer',
  'res2',
  '--base',
  'full',
  '--batch-norm',
  'batch',
  '--head',
  '8',
  '--size',
  '32x32',
  '--augment',
  'flip',
  '--epochs',
  '2',
  '--batch-size',
  '10',
  '--micro-batch',
  '5',
  '--validation',
  '0.25',
  '--checkpoint-steps',
  '1',
  '--device',
  'cpu',
  '--out',
  out,
  ...more,
]

beforeAll(async () => {
  fleet = await Fleet.start()
  source = join(await folder(), 'shapes')
  await writeShapes(source, 10)
  const embedded = join(await folder(), 'embedded')
  succeeded(await runCli(tiny(embedded)))
  expected = await contents(embedded)
})

afterAll(() => fleet?.stop())

async function expectSame(out: string): Promise<void> {
  for (const [i, bytes] of (await contents(out)).entries()) expect(bytes.equals(expected[i]!), files[i]).toBe(true)
}

const hasCheckpoint = async (out: string): Promise<boolean> =>
  (await namesIn(join(out, 'checkpoints'))).some(name => name.startsWith('step-'))

it('fine-tunes at a server, tells its epochs, and another server goes on where one is killed', async () => {
  const out = join(await folder(), 'served')
  const first = await fleet.serve(['--lock-duration', '2'])
  const second = await fleet.serve(['--lock-duration', '2'])
  const submitted = fleet.run(tiny(out, '--server', first.url))
  const id = await untilSaid(submitted, /run (finetune-\S+)/)
  const taker = await Promise.race(
    [first, second].map(async server => {
      await untilSaid(server.process, new RegExp(`run ${id}: planning`))
      return server
    }),
  )
  const other = taker === first ? second : first
  const worker = await fleet.worker(['--lock-duration', '2'])
  const watched = fleet.run(['runs', 'watch', id, '--server', other.url])
  const events = fetch(`${other.url}/v1/runs/${id}/events`).then(response => response.text())
  await expect.poll(() => hasCheckpoint(out), { interval: 20 }).toBe(true)
  await fleet.kill(taker.process)
  await untilSaid(other.process, new RegExp(`run ${id}: running`))

  expect(await watched.ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/epoch 1: loss .*\n(.*\n)*epoch 2: loss/) })
  const told = await events
  for (const epoch of [1, 2])
    expect(told).toMatch(new RegExp(`event: training\\ndata: .*"phase":"epoch".*"epoch":${epoch},.*"validationAccuracy"`))
  expect(told).toMatch(/event: state\ndata: .*"state":"done"/)
  await expectSame(out)

  const shown = await fleet.command(['runs', 'show', id, '--server', other.url])
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/kind +finetune[\s\S]*state +done[\s\S]*epochs +epoch 1: loss/) })
  expect((await fleet.command(['runs', 'list', '--kind', 'finetune', '--server', other.url])).stdout).toContain(id)
  const refused = await fetch(`${other.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'finetune', source, model: 'resnet50', layer: 'res9', out: `${out}-2` }),
  })
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([422, 'LAYER_UNKNOWN'])
  for (const { child } of [submitted, worker, other.process]) child.kill('SIGTERM')
  expect(await other.process.ended).toMatchObject({ code: 0 })
})

it('is cancelled and resumed over the queue, with the same bits', async () => {
  const out = join(await folder(), 'queued')
  const runs = (...args: string[]): Promise<CliResult> => fleet.command(['runs', ...args, '--queue', fleet.queue])
  const submitted = fleet.run(tiny(out, '--queue', fleet.queue))
  const id = await untilSaid(submitted, /run (finetune-\S+)/)
  const first = await fleet.worker()
  await expect.poll(() => hasCheckpoint(out), { interval: 20 }).toBe(true)
  // Nobody computes any more, so that it cannot end before it is cancelled.
  await fleet.kill(first)
  expect(await runs('cancel', id)).toMatchObject({ code: 0 })
  expect(await submitted.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_CANCELLED]') })
  expect(await readRun(out)).toMatchObject({ state: 'cancelled' })
  const second = await fleet.worker()
  expect(await runs('resume', id)).toMatchObject({ code: 0 })
  await expectSame(out)
  second.child.kill('SIGTERM')
  await second.ended
})

it('learns from the stored features of a frozen base in the orchestrator, which workers computed', async () => {
  const frozen = ['--base', 'frozen', '--batch-norm', 'frozen', '--augment', 'none']
  const [here, there] = [join(await folder(), 'frozen'), join(await folder(), 'frozen-fleet')]
  succeeded(await runCli(tiny(here, ...frozen)))
  const worker = await fleet.worker()
  expect(await fleet.command(tiny(there, ...frozen, '--queue', fleet.queue))).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 epochs'),
  })
  const [before, after] = [await contents(here), await contents(there)]
  for (const [i, name] of files.entries()) expect(after[i]!.equals(before[i]!), name).toBe(true)
  worker.child.kill('SIGTERM')
  await worker.ended
})
