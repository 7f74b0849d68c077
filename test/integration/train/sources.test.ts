import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { train } from './embedded.js'
import { shapeNames, writeShapes } from './shapes.js'

const folder = testFolder('train-sources')
let root = ''

beforeAll(async () => {
  root = await folder()
  await writeShapes(join(root, 'shapes'), 12)
})

describe('labels', () => {
  it('come from a list, with the classes in the order of their names', async () => {
    const rows = await Promise.all(
      shapeNames.map(async name => (await readdir(join(root, 'shapes', name))).map(file => `shapes/${name}/${file},shape ${name}`)),
    )
    // The first three of each class are held out, by a list in the other format.
    const held = rows.map(row => row.slice(0, 3)).flat()
    const [list, own] = [join(root, 'list.csv'), join(root, 'held-out.jsonl')]
    await writeFile(
      list,
      `path,label\n${rows
        .map(row => row.slice(3))
        .flat()
        .toReversed()
        .join('\n')}\n`,
    )
    await writeFile(
      own,
      held
        .map(row => row.split(','))
        .map(([path, label]) => `${JSON.stringify({ path, label })}\n`)
        .join(''),
    )
    const { record, lines } = await train({ source: list, epochs: 2, batchSize: 8, validation: own, out: join(root, 'listed') })
    expect(record.counts).toMatchObject({ images: 36, done: 36 })
    expect(lines).toHaveLength(2)
    expect(lines[1]).toHaveProperty('validation.accuracy')
    const { readModelFolder } = await import('@layermill/weights')
    const { openStore } = await import('@layermill/storage')
    const stored = await readModelFolder(openStore(join(root, 'listed')), 'listed')
    expect(stored!.labels).toEqual(['shape disc', 'shape square', 'shape triangle'])
  })
})

describe('layermill advise', () => {
  it('tries every layer on a sample in one pass, and suggests one', async () => {
    const { code, stdout, stderr } = await runCli([
      'advise',
      join(root, 'shapes'),
      '--model',
      'googlenet',
      '--weights',
      'random:1',
      '--size',
      '32x32',
      '--layers',
      'conv1,conv2,inception_3a',
      '--sample',
      '30',
      '--device',
      'cpu',
      '--json',
    ])
    expect(code, stderr).toBe(0)
    const advice = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      images: number
      layers: { layer: string; accuracy: number; dimensions: number }[]
      suggested: string
    }
    expect(advice.images).toBe(30)
    expect(advice.layers.map(({ layer, dimensions }) => [layer, dimensions])).toEqual([
      ['conv1', 64],
      ['conv2', 192],
      ['inception_3a', 256],
    ])
    for (const { accuracy } of advice.layers) expect(accuracy).toBeGreaterThan(0.3)
    expect(advice.layers.map(({ layer }) => layer)).toContain(advice.suggested)
  })

  it.each([
    ['3', 0],
    ['0', 1],
  ] as const)('names images that cannot be used, up to %s of them', async (most, expected) => {
    const source = join(root, `damaged-${most}`)
    await writeShapes(source, 6)
    await writeFile(join(source, 'disc', 'bad.png'), 'not a picture')
    const flags = ['--weights', 'random:1', '--size', '32x32', '--layers', 'conv1', '--device', 'cpu', '--max-errors', most]
    const { code, stdout, stderr } = await runCli(['advise', source, '--model', 'googlenet', ...flags, '--json'])
    expect(code, stderr).toBe(expected)
    expect(stderr).toMatch(/disc\/bad\.png: the first bytes are not those of/)
    expect(stderr).not.toContain('layermill-advise-')
    if (expected === 0)
      expect(JSON.parse(stdout)).toMatchObject({ images: 18, failed: [{ key: 'disc/bad.png', code: 'IMAGE_NOT_AN_IMAGE' }] })
  })

  it('refuses images without labels', async () => {
    const flat = join(root, 'flat')
    await writeShapes(flat, 2, { names: ['disc'] })
    const { code, stderr } = await runCli(['advise', join(flat, 'disc'), '--model', 'googlenet', '--weights', 'random:1'])
    expect(code).toBe(1)
    expect(stderr).toContain('[LABEL_MISSING]')
    await rm(flat, { recursive: true })
  })
})
