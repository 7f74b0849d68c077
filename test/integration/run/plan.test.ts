/** Output of a run before it computes: `--plan` and `--self-check`. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage, writeImages } from '../../helpers/images.js'

const folder = testFolder('plan')
/** Pictures, and a destination of its own for each test. */
async function places(name: string, images: number): Promise<{ source: string; out: string }> {
  const source = join(await folder(), name, 'images')
  await writeImages(source, images)
  return { source, out: join(await folder(), name, 'out') }
}

describe('layermill extract --plan', () => {
  it('says images, bytes of each layer, disk room and time, and writes nothing', async () => {
    const { source, out } = await places('plan', 20)
    const { code, stdout } = await runCli(smallRun(source, out, '--part-size', '8', '--plan', '--json'))
    expect(code).toBe(0)
    // conv2 of GoogLeNet at 32x32: 192 channels of 8x8.
    const bytesPerImage = 192 * 8 * 8 * 4
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'googlenet',
      images: 20,
      parts: 3,
      outputBytes: 20 * bytesPerImage,
      layers: [{ name: 'conv2', shape: [192, 8, 8], bytesPerImage, bytes: 20 * bytesPerImage }],
      freeBytes: expect.any(Number),
      seconds: expect.any(Number),
    })
    expect(existsSync(out)).toBe(false)
  })

  it('of a destination that has a run says what becomes of it, and counts for an update what that would compute', async () => {
    const { source, out } = await places('plan-update', 6)
    const flags = ['--part-size', '4']
    expect((await runCli(smallRun(source, out, ...flags))).code).toBe(0)
    const plan = async (...more: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await runCli(smallRun(source, out, ...flags, '--plan', '--json', ...more))
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout) as Record<string, unknown>
    }
    expect(await plan()).toMatchObject({ action: 'complete', existing: { images: 6, done: 6 }, images: 0, outputBytes: 0 })
    expect(await plan('--update')).toMatchObject({
      action: 'update',
      found: { added: 0, changed: 0, deleted: 0, retried: 0 },
      images: 0,
    })
    await writeImages(source, 2, 'new')
    await writeImage(source, 'image00001.png', 77)
    const planned = await plan('--update')
    expect(planned).toMatchObject({ found: { added: 2, changed: 1, deleted: 0, retried: 0 }, images: 3, outputBytes: 3 * 192 * 8 * 8 * 4 })
    const told = await runCli(smallRun(source, out, ...flags, '--plan', '--update'))
    expect(told.stdout).toContain('update of 6 images: 2 new, 1 changed')
    const done = await runCli(smallRun(source, out, ...flags, '--update'))
    expect(done.stderr).toContain('update: 2 new, 1 changed')
    expect(done.stdout).toMatch(/\(3 done now, 5 kept; [\d.]+ s, [\d.]+ images\/s\)/)
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({
      found: planned['found'],
      counts: { done: 8, computed: 3 },
    })
    const again = await runCli(smallRun(source, out, ...flags, '--update'))
    expect(again.stderr).toContain('update: no image is new, changed or deleted')
    const other = await runCli(smallRun(source, out, '--pool', 'max', '--plan'))
    expect(other.stderr).toContain('[RUN_CONFLICT]')
  })
})

describe('layermill extract --plan', () => {
  it('leaves out what --without names, and says nothing of a reduction that the run there was fitted with', async () => {
    const { source, out } = await places('plan-without', 6)
    const list = join(await folder(), 'plan-without', 'without.csv')
    await writeFile(list, 'key\nimage00001.png\nimage00004.png\n')
    const plan = async (...more: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await runCli(smallRun(source, out, '--reduce', 'pca:3', '--plan', '--json', ...more))
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout) as Record<string, unknown>
    }
    expect(await plan('--without', list)).toMatchObject({ action: 'create', images: 4, reduction: { sample: 4 } })
    expect((await runCli(smallRun(source, out, '--reduce', 'pca:3'))).code).toBe(0)
    await writeImages(source, 1, 'new')
    const found = { added: 1, changed: 0, deleted: 2, retried: 0 }
    const planned = await plan('--update', '--without', list)
    expect(planned).toMatchObject({ action: 'update', found, images: 1, outputBytes: 12 })
    expect(planned).not.toHaveProperty('reduction')
    expect(await plan('--overwrite')).toMatchObject({ action: 'replace', images: 7, reduction: { sample: 7 } })
    expect((await runCli(smallRun(source, out, '--reduce', 'pca:3', '--update', '--without', list))).code).toBe(0)
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({ found, counts: { done: 5, computed: 1 } })
  })
})

describe('layermill predict --plan', () => {
  it('sees the unfinished run beside its file, and where the file may not be', async () => {
    const { source, out } = await places('plan-predict', 3)
    const file = `${out}.csv`
    const network = ['--model', 'googlenet', '--weights', 'random:1', '--device', 'cpu', '--oversample']
    const predict = (...more: string[]) => runCli(['predict', source, ...network, ...more])
    await writeFile(join(source, 'broken.png'), 'no picture')
    expect((await predict('--out', file, '--part-size', '1')).code).toBe(1)
    const plan = await predict('--out', file, '--part-size', '1', '--max-errors', '1', '--plan', '--json')
    expect(JSON.parse(plan.stdout)).toMatchObject({ action: 'resume' })
    expect((await predict('--out', file, '--top', '2', '--plan')).stderr).toContain('[RUN_CONFLICT]')
    expect((await predict('--out', join(`${file}.run`, 'predictions', 'mine.csv'), '--plan')).stderr).toContain('[RUN_CONFLICT]')
  })
})

describe('layermill extract --self-check', () => {
  it('holds the engine against stored values and records by how much it differs', async () => {
    const { source, out } = await places('check', 2)
    expect(await runCli(smallRun(source, out, '--self-check'))).toMatchObject({ code: 0 })
    const { selfCheck } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as {
      selfCheck: { layer: string; maxAbs: number; cosine: number }
    }
    expect(selfCheck.layer).toBe('pool5')
    expect(selfCheck.maxAbs).toBeLessThan(1e-4)
    expect(selfCheck.cosine).toBeGreaterThan(0.999999)
  })
})

describe('a spec that cannot be', () => {
  it.each([
    [['--layers', 'conv3'], 'LAYER_UNKNOWN'],
    [['--layers', 'loss3_fc'], 'INPUT_SIZE'],
    [['--precision', 'int8', '--device', 'webgpu'], 'PRECISION_UNAVAILABLE'],
    [['--precision', 'fp16', '--device', 'cpu'], 'PRECISION_UNAVAILABLE'],
    [['--size', 'small'], 'SPEC_INVALID'],
  ] as const)('%s is refused before anything is written', async (flags, code) => {
    const { source, out } = await places(flags.join(''), 1)
    const result = await runCli(smallRun(source, out, ...flags))
    expect(result.code).not.toBe(0)
    expect(result.stderr).toContain(`[${code}]`)
    expect(existsSync(out)).toBe(false)
  })
})
