import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { train } from './embedded.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('train-evaluate')
let root = ''
let model = ''
let heldOut = ''
/** Measures that the run states of its model on the held-out images. */
let accuracy = 0
let macroF1 = 0

interface Evaluated {
  readonly images: number
  readonly accuracy: number
  readonly top5: number
  readonly macroF1: number
  readonly failed: number
  readonly classes: { name: string; support: number; recall: number }[]
  readonly confusion: number[][]
}

const evaluate = async (source: string, ...more: string[]) => runCli(['evaluate', source, '--model', model, '--device', 'cpu', ...more])
const lastLine = (stdout: string): Evaluated => JSON.parse(stdout.trim().split('\n').at(-1)!) as Evaluated

beforeAll(async () => {
  root = await folder()
  model = join(root, 'model')
  heldOut = join(root, 'held-out')
  await writeShapes(join(root, 'shapes'), 16)
  await writeShapes(heldOut, 6, { first: 1000 })
  const { lines } = await train({ source: join(root, 'shapes'), validation: heldOut, epochs: 2, batchSize: 8, out: model })
  const best = lines.findLast(line => line.best)!
  accuracy = best.validation!.accuracy!
  macroF1 = best.validation!.macroF1!
})

describe('layermill evaluate', () => {
  it('gives what the run itself said of its model on the same images', async () => {
    const { code, stdout, stderr } = await evaluate(heldOut, '--json')
    expect(code, stderr).toBe(0)
    const found = lastLine(stdout)
    expect(found).toMatchObject({ images: 18, failed: 0, top5: 1 })
    expect(found.accuracy).toBeCloseTo(accuracy, 12)
    expect(found.macroF1).toBeCloseTo(macroF1, 12)
    expect(found.classes.map(({ name, support }) => [name, support])).toEqual([
      ['disc', 6],
      ['square', 6],
      ['triangle', 6],
    ])
    expect(found.confusion.map(row => row.reduce((sum, count) => sum + count, 0))).toEqual([6, 6, 6])
  })

  it('fails below --min-accuracy, and writes a report where asked; what cannot be read is named', async () => {
    const [mixed, out] = [join(root, 'mixed'), join(root, 'report')]
    await writeShapes(mixed, 4, { first: 2000 })
    await rename(join(mixed, 'square'), join(mixed, 'a folder'))
    await rename(join(mixed, 'disc'), join(mixed, 'square'))
    await rename(join(mixed, 'a folder'), join(mixed, 'disc'))
    await writeFile(join(mixed, 'disc', 'bad.png'), 'not a picture')
    const low = await evaluate(mixed, '--out', out, '--max-errors', '1', '--min-accuracy', '99.5%')
    expect(low.code, low.stderr).toBe(1)
    expect(low.stderr).toMatch(/the accuracy is 0\.\d+, less than --min-accuracy 0\.995 {2}\[ACCURACY_TOO_LOW\]/)
    expect(low.stderr).toMatch(/1 image failed:\n {2}disc\/bad\.png: /)
    expect(low.stdout).toMatch(/accuracy \d+\.\d% \(top 5: 100\.0%\), mean F1 \d+\.\d%: 12 images/)
    const report = await readFile(join(out, 'report.html'), 'utf8')
    expect(report).toContain('Surest mistakes')
    expect(report).toContain('data:image/jpeg')
    const written = JSON.parse(await readFile(join(out, 'evaluation.json'), 'utf8')) as Evaluated & { mistakes: { probability: number }[] }
    expect(written).toMatchObject({ images: 12, failed: 1 })
    expect(written.mistakes.map(({ probability }) => probability)).toEqual(
      written.mistakes.map(({ probability }) => probability).toSorted((a, b) => b - a),
    )
    const high = await evaluate(mixed, '--max-errors', '1', '--min-accuracy', String(written.accuracy), '--json')
    expect(high.code, high.stderr).toBe(3)
    expect(lastLine(high.stdout)).toMatchObject({ passed: true, minAccuracy: written.accuracy, failed: 1 })
  })

  it('refuses classes that the model does not have, and thresholds that are no shares', async () => {
    const other = join(root, 'other')
    await writeShapes(other, 2)
    await rename(join(other, 'disc'), join(other, 'circle'))
    const unknown = await evaluate(other)
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toMatch(/has no class circle; its 3 classes are disc, square, triangle {2}\[CLASS_UNKNOWN\]/)
    expect((await evaluate(heldOut, '--min-accuracy', '95')).code).toBe(2)
    expect((await evaluate(heldOut, '--queue', 'redis://127.0.0.1:1')).stderr).toContain('[SPEC_INVALID]')
  })
})
