import { readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { readRun } from '../../helpers/results.js'
import { namesIn, untilOrEnd } from '../../helpers/watch.js'
import { writeShapes } from '../../integration/train/shapes.js'

const folder = testFolder('train-resume')
const files = ['model.safetensors', 'metrics.jsonl'] as const
let command: (out: string) => string[]
let expected: Buffer[]

const contents = (out: string): Promise<Buffer[]> => Promise.all(files.map(name => readFile(join(out, name))))

async function expectSame(out: string): Promise<void> {
  const found = await contents(out)
  for (const [i, name] of files.entries()) expect(found[i]!.equals(expected[i]!), name).toBe(true)
}

beforeAll(async () => {
  const shapes = join(await folder(), 'shapes')
  await writeShapes(shapes, 16)
  // Nine updates an epoch, a checkpoint after every fourth: in the middle of an epoch.
  command = out => [
    'finetune',
    shapes,
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
    'flip,crop',
    '--epochs',
    '3',
    '--batch-size',
    '4',
    '--micro-batch',
    '2',
    '--validation',
    '0.25',
    '--checkpoint-steps',
    '4',
    '--device',
    'cpu',
    '--out',
    out,
  ]
  const undisturbed = join(await folder(), 'undisturbed')
  const result = await runCli(command(undisturbed))
  if (result.code !== 0) throw new Error(result.stderr)
  expected = await contents(undisturbed)
})

/** Whether a checkpoint is there that is not at the end of an epoch, and the epoch is under way. */
const midEpoch = (out: string, step: number) => async (): Promise<boolean> =>
  (await namesIn(join(out, 'checkpoints'))).includes(`step-${String(step).padStart(10, '0')}.safetensors`)

describe('a fine-tuning run that is stopped', () => {
  it('by kill -9 in the middle of epochs, twice: goes on to the same bits', async () => {
    const out = join(await folder(), 'killed')
    for (const step of [4, 12]) {
      const process = startCli(command(out))
      expect(await untilOrEnd(process, midEpoch(out, step))).toBe(true)
      process.child.kill('SIGKILL')
      expect((await process.ended).signal).toBe('SIGKILL')
      expect(await readRun(out)).toMatchObject({ state: 'running' })
    }
    const done = await runCli(command(out))
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain('going on with an unfinished run')
    await expectSame(out)
  })

  it('by Ctrl-C: exit code 130, a checkpoint of where it was, and the same bits in the end', async () => {
    const out = join(await folder(), 'interrupted')
    const process = startCli(command(out))
    expect(await untilOrEnd(process, midEpoch(out, 8))).toBe(true)
    process.child.kill('SIGINT')
    const stopped = await process.ended
    expect(stopped.code, stopped.stderr).toBe(130)
    expect(await readRun(out)).toMatchObject({ state: 'running' })
    // Even where the latest one is damaged: the one before it leads to the same end.
    const latest = (await namesIn(join(out, 'checkpoints')))
      .filter(name => name.startsWith('step-'))
      .toSorted()
      .at(-1)!
    await truncate(join(out, 'checkpoints', latest), 1000)
    const done = await runCli(command(out))
    expect(done.code, done.stderr).toBe(0)
    await expectSame(out)
  })

  it('with all checkpoints damaged: says so', async () => {
    const out = join(await folder(), 'damaged')
    const process = startCli(command(out))
    expect(await untilOrEnd(process, midEpoch(out, 4))).toBe(true)
    process.child.kill('SIGKILL')
    await process.ended
    for (const name of await namesIn(join(out, 'checkpoints')))
      if (name.startsWith('step-')) await truncate(join(out, 'checkpoints', name), 1000)
    const done = await runCli(command(out))
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('[CHECKPOINT_CORRUPT]')
  })
})
