import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage } from '../../helpers/images.js'
import { filesBelow, readNpy } from '../../helpers/results.js'
import { useS3Server } from '../storage/s3-server.js'

const folder = testFolder('similar')
const network = ['--model', 'googlenet', '--weights', 'random:1', '--size', '64x64', '--device', 'cpu']
const keys = Array.from({ length: 40 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}/${i}.png`)
let photos: string
let features: string

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  features = join(await folder(), 'features')
  for (const [i, key] of keys.entries()) await writeImage(photos, key, i)
  const { code, stderr } = await runCli([
    'extract',
    photos,
    ...network,
    '--layers',
    'conv2,inception_3a',
    '--part-size',
    '16',
    '--out',
    features,
  ])
  if (code !== 0) throw new Error(stderr)
})

interface Found {
  readonly rank: number
  readonly key: string
  readonly label: string
  readonly distance: number
}

const parse = (text: string): Found[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Found)

/** The neighbours that a command finds, as JSON lines. */
async function similar(...args: string[]): Promise<Found[]> {
  const { code, stdout, stderr } = await runCli(['similar', ...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return parse(stdout)
}

/** All distances by their definition, from values that an independent reader reads. */
async function naive(layer: string, key: string, metric: string): Promise<{ key: string; distance: number }[]> {
  const values = await readNpy(features, layer)
  const query = values.get(key)!
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  const distance = (row: number[]): number => {
    if (metric === 'l2') return Math.hypot(...row.map((value, i) => value - query[i]!))
    return 1 - dot(row, query) / Math.sqrt(dot(row, row)) / Math.sqrt(dot(query, query))
  }
  return [...values].map(([name, row]) => ({ key: name, distance: distance(row) })).toSorted((a, b) => a.distance - b.distance)
}

describe('layermill similar', () => {
  it('makes a sheet of the picture and its neighbours, with their distances', async () => {
    const file = join(await folder(), 'nearest.html')
    const set = ['--features', features, '--layer', 'conv2', '--top', '5', '--report', file]
    const { code, stdout, stderr } = await runCli(['similar', '--key', 'odd/7.png', ...set, '--json'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: `report: ${file}\n` })
    const html = await readFile(file, 'utf8')
    expect(html).not.toMatch(/<script|https?:/)
    expect(html.match(/data:image\/jpeg/g)).toHaveLength(6)
    for (const { rank, key, label, distance } of parse(stdout))
      expect(html).toContain(`<b>${rank}</b> ${label} · ${distance.toFixed(5)}<small>${key}</small>`)
  })

  it.each([
    ['inception_3a', 'cosine'],
    ['conv2', 'l2'],
  ])('finds in %s by %s what comparing with every image finds', async (layer, metric) => {
    const key = 'odd/7.png'
    const expected = await naive(layer, key, metric)
    const set = ['--features', features, '--layer', layer, '--metric', metric, '--top', '7']
    const stored = await similar('--key', key, ...set)
    expect(stored.map(found => found.key)).toEqual(expected.slice(0, 7).map(found => found.key))
    expect(stored[0]).toMatchObject({ rank: 1, key, label: 'odd', distance: 0, part: 2 })
    for (const [i, { distance }] of stored.entries())
      expect(distance / expected.at(-1)!.distance).toBeCloseTo(expected[i]!.distance / expected.at(-1)!.distance, 9)

    // The same image as a file goes through the network: the same to float rounding, which a batch of another size may change.
    const computed = await similar(join(photos, key), ...set)
    expect(computed[0]!.key).toBe(key)
    for (const [i, { distance }] of computed.entries())
      expect(distance / expected.at(-1)!.distance).toBeCloseTo(stored[i]!.distance / expected.at(-1)!.distance, 4)
  })

  it.each([
    ['pooled, as halves, in another format', ['--layers', 'conv2', '--pool', 'avg', '--dtype', 'float16', '--format', 'safetensors'], []],
    ['with its int8 ranges', ['--layers', 'conv2,inception_3a', '--precision', 'int8', '--format', 'parquet'], ['--layer', 'conv2']],
  ])('computes an image as the run did: %s', async (name, spec, layer) => {
    const out = join(await folder(), name)
    expect(await runCli(['extract', photos, ...network, ...spec, '--out', out])).toMatchObject({ code: 0 })
    const found = await similar(join(photos, 'even/0.png'), '--features', out, ...layer, '--top', '40')
    expect(found).toHaveLength(40)
    expect(found[0]).toMatchObject({ key: 'even/0.png', label: 'even' })
    expect(found[0]!.distance).toBeLessThan(1e-6)
  })

  it('writes a table, or a file', async () => {
    const key = 'even/12.png'
    const set = ['--key', key, '--features', features, '--layer', 'inception_3a', '--top', '3']
    const table = await runCli(['similar', ...set])
    expect(table.stdout.split('\n')[0]).toMatch(/^ +distance +image +label$/)
    expect(table.stdout.split('\n')[1]).toMatch(/^1 +0\.00000 +even\/12\.png +even$/)
    const csv = join(await folder(), 'near.csv')
    expect(await runCli(['similar', ...set, '--out', csv])).toMatchObject({ code: 0, stdout: `3 images: ${csv}\n` })
    const lines = (await readFile(csv, 'utf8')).split('\r\n')
    expect(lines.slice(0, 2)).toEqual(['rank,key,label,distance', '1,even/12.png,even,0'])
    const jsonl = join(await folder(), 'near.jsonl')
    await runCli(['similar', ...set, '--out', jsonl])
    expect(parse(await readFile(jsonl, 'utf8'))).toEqual(await similar(...set))
  })

  it.each([
    [['--layer', 'inception_3a'], 2, /expected an image .* or --key/],
    [['--key', 'even/0.png'], 2, /--layer: expected one of the run's layers: conv2, inception_3a/],
    [['--key', 'even/0.png', '--layer', 'inception_3x'], 1, /has no layer inception_3x.*\n.*did you mean inception_3a\?/],
    [['--key', '../photos/even/0.png', '--layer', 'inception_3a'], 1, /IMAGE_UNKNOWN/],
    [['--key', 'even/0.png', '--layer', 'inception_3a', '--metric', 'l1'], 2, /--metric: got "l1", expected cosine or l2/],
    [['--key', 'even/0.png', '--layer', 'inception_3a', '--out', 'near.txt'], 2, /expected a \.csv or \.jsonl file/],
  ])('refuses %j', async (args, code, message) => {
    const result = await runCli(['similar', ...args, '--features', features])
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toMatch(message)
  })

  it('refuses a folder, and what is no run', async () => {
    expect(await runCli(['similar', photos, '--features', features, '--layer', 'inception_3a'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('SOURCE_KIND'),
    })
    expect(await runCli(['similar', '--key', 'a', '--features', photos])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RUN_MISSING'),
    })
  })

  it('uses what an unfinished run has, and finds its weights where they are now', async () => {
    const file = join(features, 'run.json')
    const record = await readFile(file, 'utf8')
    const image = [join(photos, 'odd/3.png'), '--features', features, '--layer', 'inception_3a', '--top', '2', '--json']
    const away = join(await folder(), 'away.npz')
    await writeFile(file, record.replace('"random:1"', JSON.stringify(away)))
    await rm(join(features, '_SUCCESS'))
    try {
      const lost = await runCli(['similar', ...image])
      expect(lost).toMatchObject({ code: 1, stdout: '' })
      expect(lost.stderr).toMatch(/is not finished.*3 parts/)
      expect(lost.stderr).toMatch(/WEIGHTS_NOT_FOUND[^]*--weights .* says where these are now/)
      expect(await runCli(['similar', ...image, '--weights', 'random:2'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('WEIGHTS_HASH'),
      })
      await writeFile(file, record.replace('"random:1"', '"http://127.0.0.1:9/weights.npz"'))
      expect(await runCli(['similar', ...image])).toMatchObject({ code: 1, stderr: expect.stringContaining('ADDRESS_REFUSED') })
      const found = await runCli(['similar', ...image, '--weights', 'random:1'])
      expect(found.code).toBe(0)
      expect(parse(found.stdout)[0]!.key).toBe('odd/3.png')
    } finally {
      await writeFile(file, record)
      await writeFile(join(features, '_SUCCESS'), '')
    }
  })
})

describe('on S3', () => {
  let s3: Awaited<ReturnType<typeof useS3Server>>
  const bucket = `similar-${randomBytes(4).toString('hex')}`
  beforeAll(async () => {
    s3 = await useS3Server()
    await createBucket(bucket)
    const store = openStore(`s3://${bucket}/`)
    for (const path of await filesBelow(features)) await store.put(`features/${path}`, await readFile(join(features, path)))
    await store.put('query.png', await readFile(join(photos, 'even/30.png')))
    await store.close()
  })
  afterAll(() => s3?.stop())

  it('finds the same there, of an image there, and writes there', async () => {
    const there = ['--features', `s3://${bucket}/features`, '--layer', 'inception_3a', '--top', '5']
    const here = ['--features', features, '--layer', 'inception_3a', '--top', '5']
    expect(await similar(`s3://${bucket}/query.png`, ...there)).toEqual(await similar(join(photos, 'even/30.png'), ...here))
    const out = `s3://${bucket}/near.jsonl`
    expect(await runCli(['similar', '--key', 'even/30.png', ...there, '--out', out])).toMatchObject({ code: 0 })
    const store = openStore(`s3://${bucket}/`)
    expect(parse(new TextDecoder().decode(await store.get('near.jsonl')))).toEqual(await similar('--key', 'even/30.png', ...here))
    await store.close()
  })
})
