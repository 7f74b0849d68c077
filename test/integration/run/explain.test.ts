import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeImage, encodePng } from '@layermill/preprocess'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'

const folder = testFolder('explain')
let images: string

beforeAll(async () => {
  images = join(await folder(), 'images')
  await mkdir(images)
  const pixels = (seed: number): Uint8Array => Uint8Array.from({ length: 3 * 48 * 40 }, (_, i) => (i * seed + (i >> 5) * 31) % 256)
  for (const seed of [7, 11]) await writeFile(join(images, `${seed}.png`), await encodePng({ width: 48, height: 40, data: pixels(seed) }))
  await writeFile(join(images, 'broken.png'), 'no picture')
})

const command = (out: string, ...more: readonly string[]): string[] => [
  'explain',
  images,
  '--model',
  'googlenet',
  '--weights',
  'random:1',
  '--out',
  out,
  ...more,
]

describe('layermill explain', () => {
  it('writes overlays, arrays, a table and a report; one image that is broken is told', async () => {
    const out = join(await folder(), 'why')
    const { code, stdout, stderr } = await runCli(command(out, '--class', 'tench', '--arrays', '--layer', 'inception_4a'))
    expect(code, stderr).toBe(3)
    expect(stdout).toContain('2 images explained by grad-cam')
    expect(stderr).toContain('broken.png')
    const [head, ...lines] = (await readFile(join(out, 'explanations.csv'), 'utf8')).trim().split(/\r?\n/)
    expect(head).toBe('key,class,name,probability,evidence,overlay')
    expect(lines.map(line => line.split(',').slice(0, 3))).toEqual([
      ['11.png', '0', 'tench'],
      ['7.png', '0', 'tench'],
    ])
    const overlay = await decodeImage(await readFile(join(out, 'maps/000001.png')))
    expect([overlay.width, overlay.height]).toEqual([224, 224])
    // A header of 128 bytes and the 14x14 positions of the layer.
    expect((await readFile(join(out, 'maps/000001.npy'))).length).toBe(128 + 14 * 14 * 4)
    const report = await readFile(join(out, 'report.html'), 'utf8')
    expect(report).toContain('tench')
    expect(report.match(/data:image\/png/g)?.length).toBeGreaterThanOrEqual(2)
    expect(report).not.toContain('<script')
  })

  it.each([
    [['--class', 'tenc'], 'names with it: tench'],
    [['--layer', 'loss3_fc'], 'needs one with maps'],
    [['--method', 'lime'], 'expected grad-cam, grad-cam++, layer-cam, gradient-x-input, saliency, occlusion'],
  ])('refuses %j', async (flags, words) => {
    const { code, stderr } = await runCli(command(join(await folder(), 'refused'), ...flags))
    expect(code).not.toBe(0)
    expect(stderr).toContain(words)
  })
})
