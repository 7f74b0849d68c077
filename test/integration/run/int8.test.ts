import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage, writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, filesBelow, fileVersions, readNpy, readRun } from '../../helpers/results.js'

const folder = testFolder('int8')
const layers = ['--layers', 'conv2,inception_3a', '--part-size', '4']
let source: string
let out: string
let note: string
/** Of the run in one process, and what it says of its ranges. */
let hashes: Record<string, string>
let report: Int8Run['calibration']

interface Int8Run {
  readonly identity: { readonly precision: string; readonly calibration: string }
  readonly calibration: {
    readonly images: number
    readonly compared: number
    readonly heldOut: boolean
    readonly cosine: Record<string, { readonly mean: number; readonly smallest: number }>
    readonly top1?: number
  }
}

const readInt8 = async (at: string): Promise<Int8Run> => (await readRun(at)) as unknown as Int8Run
const int8 = (to: string, ...more: string[]): string[] => smallRun(source, to, ...layers, '--precision', 'int8', ...more)
const calibrationOf = async (at: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(join(at, 'calibration.json')))
    .digest('hex')

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

beforeAll(async () => {
  source = join(await folder(), 'images')
  await writeImages(source, 14)
  out = join(await folder(), 'int8')
  note = succeeded(await runCli(int8(out))).stderr
  hashes = await fileHashes(out)
  report = (await readInt8(out)).calibration
})

describe('--precision int8', () => {
  it('computes with ranges that are kept with the run, close to float32, and warns of a small dataset', async () => {
    const { identity, calibration } = await readInt8(out)
    expect(identity).toMatchObject({ precision: 'int8', calibration: await calibrationOf(out) })
    expect(calibration).toMatchObject({ images: 14, compared: 14, heldOut: false })
    expect(note).toMatch(/warning: int8 is calibrated with all 14 images/)
    expect(note).toMatch(/cosine with fp32 conv2 0\.99\d+/)

    const exact = join(await folder(), 'exact')
    succeeded(await runCli(smallRun(source, exact, ...layers)))
    for (const layer of ['conv2', 'inception_3a']) {
      const [wanted, found] = [await readNpy(exact, layer), await readNpy(out, layer)]
      const cosines = [...wanted].map(([key, values]) => cosine(values, found.get(key)!))
      expect(cosines).toHaveLength(14)
      expect(Math.min(...cosines), layer).toBeGreaterThan(0.99)
      expect(Math.max(...cosines), layer).toBeLessThan(1 - 1e-9)
      expect(calibration.cosine[layer]!.smallest, layer).toBeCloseTo(Math.min(...cosines), 4)
    }
  })

  it('is kept for the same images, and chooses its ranges once', async () => {
    const again = join(await folder(), 'again')
    const { stderr } = succeeded(await runCli(int8(again)))
    expect(stderr).not.toContain('choosing ranges')
    expect(stderr).toMatch(/cosine with fp32 conv2 0\.99\d+/)
    expect(await fileHashes(again)).toEqual(hashes)
  })

  it("left to auto, is not taken for a few images: the numbers are float32's", async () => {
    const auto = join(await folder(), 'auto')
    const { stderr } = succeeded(await runCli(smallRun(source, auto, ...layers, '--precision', 'auto')))
    expect(stderr).toMatch(/precision auto: fp32, .+/)
    expect(await readRun(auto)).toMatchObject({ identity: { precision: 'fp32' }, precisionChoice: { chosen: 'fp32' } })
    expect(await fileHashes(auto)).toEqual(await fileHashes(join(await folder(), 'exact')))
    // The run goes on as what it is.
    expect(succeeded(await runCli(smallRun(source, auto, ...layers, '--precision', 'auto'))).stderr).toContain('already done')
  })

  it('resumes with the ranges it was started with, whatever the images are by then, and notices others', async () => {
    const ranges = (await fileVersions(out)).get('calibration.json')!
    for (const path of ['_SUCCESS', 'commits/part-00001.json', 'features/conv2/part-00001.npy']) await rm(join(out, path))
    const { finished: _finished, ...record } = await readRun(out)
    await writeFile(join(out, 'run.json'), JSON.stringify({ ...record, state: 'running' }))
    succeeded(await runCli(int8(out)))
    expect(await fileHashes(out)).toEqual(hashes)

    await writeImage(source, 'new.png', 99)
    expect(succeeded(await runCli(int8(out, '--update'))).stderr).not.toContain('choosing ranges')
    expect((await readRun(out)).counts).toMatchObject({ images: 15, done: 15 })
    expect(await commitFaults(out)).toEqual([])
    expect((await fileVersions(out)).get('calibration.json')).toEqual(ranges)

    await writeFile(join(out, 'calibration.json'), '{}')
    expect(await runCli(int8(out, '--update'))).toMatchObject({ code: 1, stderr: expect.stringContaining('[CALIBRATION_INVALID]') })
    expect(await runCli(smallRun(source, out, ...layers))).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_CONFLICT]') })
    await rm(join(source, 'new.png'))
  })

  it('predicts, and compares the likeliest class', async () => {
    const to = join(await folder(), 'classes.jsonl')
    const command = [
      'predict',
      join(source, 'image0000[0-2].png'),
      '--model',
      'googlenet',
      '--weights',
      'random:1',
      '--precision',
      'int8',
      '--out',
      to,
    ]
    expect(succeeded(await runCli(command)).stderr).toMatch(/same likeliest class \d+\.\d%/)
    const lines = (await readFile(to, 'utf8')).trim().split('\n')
    expect(lines).toHaveLength(3)
    expect(await filesBelow(`${to}.run`)).toEqual([])
  })

  // One of four channels is a thousand times as large; the layer behind it is made of the other three, which 8 bits for all four lose.
  it('computes a layer of an ONNX file in float32 where int8 loses it, and says so', async () => {
    const model = fileURLToPath(new URL('../../../libs/engines/src/onnx/file/testing/outlier.onnx', import.meta.url))
    const [kept, exact] = [join(await folder(), 'kept'), join(await folder(), 'kept-exact')]
    const command = (to: string): string[] => [
      'extract',
      source,
      '--model',
      model,
      '--layers',
      'wide,narrow',
      '--out',
      to,
      '--device',
      'cpu',
    ]
    const { stderr } = succeeded(await runCli([...command(kept), '--precision', 'int8']))
    const { calibration } = await readInt8(kept)
    expect(calibration.cosine['wide']!.smallest).toBeGreaterThan(0.99)
    expect(calibration.cosine['narrow']!.smallest).toBeLessThan(0.99)
    expect(calibration).toMatchObject({ float32: ['narrow'] })
    expect(JSON.parse(await readFile(join(kept, 'calibration.json'), 'utf8'))).toMatchObject({ float32: ['narrow'] })
    expect(stderr).toContain('computed in fp32, being too far off: narrow')
    succeeded(await runCli(command(exact)))
    expect(await readNpy(kept, 'narrow')).toEqual(await readNpy(exact, 'narrow'))
    expect(await readNpy(kept, 'wide')).not.toEqual(await readNpy(exact, 'wide'))
  })

  // 8 bits for three channels lose the scores of two classes that never win: a cosine far off, and the same class.
  it('goes by the labels of images for the scores of an ONNX file, and by the cosine without', async () => {
    const model = fileURLToPath(new URL('../../../libs/engines/src/onnx/file/testing/classes.onnx', import.meta.url))
    const pictures = join(await folder(), 'pictures')
    const write = async (key: string, level: number): Promise<void> => {
      await mkdir(dirname(join(pictures, key)), { recursive: true })
      await writeFile(
        join(pictures, key),
        await sharp(Buffer.alloc(16 * 16 * 3, level), { raw: { width: 16, height: 16, channels: 3 } })
          .png()
          .toBuffer(),
      )
    }
    for (let i = 0; i < 4; i++) {
      await write(`known/bright/${i}.png`, 160 + 20 * i)
      await write(`known/dark/${i}.png`, 20 + 20 * i)
      await write(`unknown/${i}.png`, 20 + 60 * i)
    }
    const run = async (from: string) => {
      const to = join(await folder(), `${from}-scores`)
      const command = ['extract', join(pictures, from), '--model', model, '--layers', 'wide,scores', '--out', to, '--device', 'cpu']
      const { stderr } = succeeded(await runCli([...command, '--precision', 'int8']))
      return { stderr, calibration: (await readInt8(to)).calibration }
    }
    const known = await run('known')
    expect(known.calibration).toMatchObject({ top1: 1, labelled: { images: 8, fp32: 1, int8: 1, decides: true } })
    expect(known.calibration.cosine['scores']!.smallest).toBeLessThan(0.99)
    expect(known.calibration).not.toHaveProperty('float32')
    expect(known.stderr).toContain('top-1 by the labels of 8 images 100.0% (100.0% in fp32)')
    const unknown = await run('unknown')
    expect(unknown.calibration).toMatchObject({ top1: 1, float32: ['scores'] })
    expect(unknown.calibration).not.toHaveProperty('labelled')
  })

  it('is refused on a GPU before anything is written', async () => {
    const to = join(await folder(), 'refused')
    const { code, stderr } = await runCli(int8(to, '--device', 'cuda'))
    expect(code).toBe(1)
    expect(stderr).toContain('[PRECISION_UNAVAILABLE]')
    expect(existsSync(to)).toBe(false)
  })
})

describe('int8 in a fleet', () => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await Fleet.start()
  })
  afterAll(() => fleet?.stop())

  it('gives the same bytes with two workers as in one process', async () => {
    await Promise.all([fleet.worker(['--concurrency', '1']), fleet.worker(['--concurrency', '1'])])
    const shared = join(await folder(), 'shared')
    succeeded(await fleet.command([...int8(shared), '--queue', fleet.queue]))
    expect(await fileHashes(shared)).toEqual(hashes)
    expect((await readInt8(shared)).calibration).toEqual(report)
  })
})
