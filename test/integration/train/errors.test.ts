import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { readRun } from '../../helpers/results.js'
import { train } from './embedded.js'
import { shapeImage, writeShapes } from './shapes.js'

const folder = testFolder('train-errors')
let root = ''
let number = 0

beforeAll(async () => {
  root = await folder()
  await writeShapes(join(root, 'shapes'), 6)
})

/** A dataset of its own: two classes of six pictures. */
async function dataset(): Promise<string> {
  const source = join(root, `data${++number}`)
  await writeShapes(source, 6, { names: ['disc', 'square'] })
  return source
}

const run = (source: string, spec: Record<string, unknown> = {}): Promise<unknown> =>
  train({ source, epochs: 1, batchSize: 4, validation: 0.3, out: join(root, `out${number++}`), ...spec })
const failure = (source: string, spec: Record<string, unknown> = {}): Promise<unknown> =>
  run(source, spec).then(
    () => 'nothing',
    (error: unknown) => error,
  )

describe('images that cannot be trained on', () => {
  it('without labels', async () => {
    const source = join(root, 'flat')
    await mkdir(source)
    await writeFile(join(source, 'a.png'), await shapeImage('disc', 1))
    expect(await failure(source)).toMatchObject({
      code: 'LABEL_MISSING',
      message: expect.stringContaining('the only image in') as string,
      hint: expect.stringContaining('one folder for each class') as string,
    })
  })

  it('some without a label', async () => {
    const source = await dataset()
    await writeFile(join(source, 'stray.png'), await shapeImage('disc', 1))
    expect(await failure(source)).toMatchObject({ code: 'LABEL_MISSING', message: expect.stringContaining('1 of 13 images') as string })
  })

  it('of one class, or one image', async () => {
    const source = await dataset()
    await rm(join(source, 'square'), { recursive: true })
    expect(await failure(source)).toMatchObject({
      code: 'CLASS_TOO_FEW',
      message: expect.stringContaining('6 images of the class disc only') as string,
    })
    for (const file of (await readdir(join(source, 'disc'))).slice(1)) await rm(join(source, 'disc', file))
    expect(await failure(source)).toMatchObject({
      code: 'CLASS_TOO_FEW',
      message: expect.stringContaining('1 image of the class disc only; expected two classes or more') as string,
    })
  })

  it('one image of each class: trained on, none held out, with a warning', async () => {
    const source = join(root, 'single')
    await writeShapes(source, 1, { names: ['disc', 'square'] })
    const result = await run(source)
    expect(result).toMatchObject({ warnings: [expect.stringContaining('disc, square: a single image')], lines: [{ best: true }] })
    expect(result).not.toHaveProperty('lines.0.validation')
  })

  it('are refused and warned of by --plan as well', async () => {
    const [source, validation] = [await dataset(), await dataset()]
    await rm(join(validation, 'square'), { recursive: true })
    const plan = [
      'finetune',
      source,
      '--model',
      'googlenet',
      '--weights',
      'random:1',
      '--device',
      'cpu',
      '--out',
      join(root, 'planned'),
      '--plan',
    ]
    const warned = await runCli([...plan, '--validation', validation])
    expect(warned).toMatchObject({ code: 0, stderr: expect.stringContaining('has no image of square') as string })
    await mkdir(join(source, 'triangle'))
    expect(await runCli(plan)).toMatchObject({ code: 1, stderr: expect.stringMatching(/triangle {2}\[CLASS_EMPTY\]/) as string })
  })

  it('with an empty class folder', async () => {
    const source = await dataset()
    await mkdir(join(source, 'triangle'))
    expect(await failure(source)).toMatchObject({ code: 'CLASS_EMPTY', message: expect.stringContaining('triangle') as string })
  })

  it.each([
    ['stored features', false],
    ['images', true],
  ])('a class whose only image is damaged, from %s', async (_name, general) => {
    const source = await dataset()
    await mkdir(join(source, 'triangle'))
    await writeFile(join(source, 'triangle', 'bad.png'), 'not a picture')
    const spec = { maxErrors: '50%', ...(general ? { base: 'full' } : {}) }
    expect(await failure(source, spec)).toMatchObject({ code: 'CLASS_EMPTY', message: expect.stringContaining('triangle') as string })
  })

  it.each([
    ['stored features', 'frozen'],
    ['images', 'full'],
  ])('a few of them damaged: left out and told, from %s', async (_name, base) => {
    const source = await dataset()
    await writeFile(join(source, 'disc', 'bad.png'), (await shapeImage('disc', 1)).subarray(0, 200))
    const out = join(root, `left-out-${base}`)
    expect(await failure(source, { base, out })).toMatchObject({
      code: 'TOO_MANY_ERRORS',
      message: expect.stringMatching(/1 of 13 images cannot be used.*disc\/bad\.png: the png file ends early/) as string,
    })
    expect(await readRun(out)).toMatchObject({ state: 'failed', error: { code: 'TOO_MANY_ERRORS' } })
    expect(await run(source, { base, maxErrors: 1, out })).toMatchObject({ record: { counts: { images: 13, done: 12, failed: 1 } } })
    expect(await readRun(out)).toMatchObject({ state: 'done' })
  })

  it('a damaged one that is mended before the next try: it is used', async () => {
    const source = await dataset()
    const out = join(root, 'mended')
    await writeFile(join(source, 'disc', 'bad.png'), 'not a picture')
    expect(await failure(source, { out })).toMatchObject({ code: 'TOO_MANY_ERRORS' })
    await writeFile(join(source, 'disc', 'bad.png'), await shapeImage('disc', 99))
    expect(await run(source, { out })).toMatchObject({ record: { counts: { images: 13, done: 13, failed: 0 } } })
  })

  it('held out, of a class that is not trained', async () => {
    const [source, validation] = [await dataset(), join(root, 'shapes')]
    expect(await failure(source, { validation })).toMatchObject({
      code: 'VALIDATION_INVALID',
      message: expect.stringContaining('triangle') as string,
    })
  })

  it('held out, with a class missing: a warning', async () => {
    const [source, validation] = [join(root, 'shapes'), await dataset()]
    const result = await run(source, { validation })
    expect(result).toMatchObject({ warnings: [expect.stringContaining('no image of triangle')] })
  })

  it('with weights for a class that is not there', async () => {
    expect(await failure(await dataset(), { classWeights: { hexagon: 2 } })).toMatchObject({ code: 'CLASS_UNKNOWN' })
  })
})

describe('settings that cannot be', () => {
  it('scales of a layer that is not there', async () => {
    expect(await failure(await dataset(), { base: { nowhere: 1 } })).toMatchObject({ code: 'SCALE_INVALID' })
  })

  it('another spec at the same place', async () => {
    const [source, out] = [await dataset(), join(root, 'taken')]
    await run(source, { out })
    expect(await failure(source, { out, seed: 1 })).toMatchObject({
      code: 'RUN_CONFLICT',
      message: expect.stringContaining('seed was 0, is 1') as string,
    })
    expect(await run(source, { out, seed: 1, overwrite: true })).toMatchObject({ record: { state: 'done' } })
  })

  it('a rate at which the loss overflows: the run fails and says so', async () => {
    const out = join(root, 'diverged')
    expect(await failure(await dataset(), { out, base: 'full', learningRate: 1e6, optimizer: 'momentum', epochs: 5 })).toMatchObject({
      code: 'GRADIENT_NOT_FINITE',
    })
    expect(await readRun(out)).toMatchObject({ state: 'failed', error: { code: 'GRADIENT_NOT_FINITE' } })
  })
})
