import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type Table } from '@lancedb/lancedb'
import { openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { tableFromIPC } from 'apache-arrow'
import { readParquet } from 'parquet-wasm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage } from '../../helpers/images.js'
import { filesBelow, readIndex, readNpy } from '../../helpers/results.js'
import { useS3Server } from '../storage/s3-server.js'

const folder = testFolder('export')
const keys = Array.from({ length: 30 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}/${i}.png`)
let photos: string
let features: string

/** A path in the tests' folder. */
const at = async (name: string): Promise<string> => join(await folder(), name)

async function extract(out: string, ...more: string[]): Promise<void> {
  const { code, stderr } = await runCli(smallRun(photos, out, '--pool', 'avg', ...more))
  if (code !== 0) throw new Error(stderr)
}

beforeAll(async () => {
  photos = await at('photos')
  features = await at('features')
  for (const [i, key] of keys.entries()) await writeImage(photos, key, i)
  await extract(features, '--part-size', '8')
})

/** The images with their values, as an independent reader reads them. */
async function expectedRows(): Promise<Record<string, unknown>[]> {
  const values = await readNpy(features, 'conv2')
  return (await readIndex(features)).map(({ key, label, width, height, sha256 }) => ({
    key,
    label,
    width,
    height,
    sha256,
    vector: values.get(key),
  }))
}

describe('export --to csv', () => {
  it('writes one table whose numbers read back as the same float32', async () => {
    const out = await at('conv2.csv')
    expect(await runCli(['export', features, '--to', 'csv', '--out', out])).toMatchObject({ code: 0, stderr: '' })
    const [header = '', ...lines] = (await readFile(out, 'utf8')).trimEnd().split('\r\n')
    expect(header.split(',').slice(0, 7)).toEqual(['key', 'label', 'width', 'height', 'sha256', 'f0', 'f1'])
    const rows = lines.map(line => line.split(','))
    const expected = await expectedRows()
    expect(rows.map(([key, label, width, height, sha256, ...vector]) => ({ key, label, width, height, sha256, vector }))).toEqual(
      expected.map(row => ({
        ...row,
        width: String(row['width']),
        height: String(row['height']),
        vector: (row['vector'] as number[]).map((value): unknown =>
          expect.toSatisfy((text: string) => Math.fround(Number(text)) === value),
        ),
      })),
    )
    expect(await runCli(['export', features, '--to', 'csv', '--out', out])).toMatchObject({ code: 1 })
  })
})

describe('export --to parquet', () => {
  it('writes one table that Arrow reads, the same bytes for any cut into parts, format of the features and place', async () => {
    const out = await at('conv2.parquet')
    expect(await runCli(['export', features, '--to', 'parquet', '--out', out])).toMatchObject({
      code: 0,
      stdout: `30 images, vectors of 192 numbers: ${out}\n`,
      stderr: '',
    })
    const bytes = await readFile(out)
    const table = tableFromIPC(readParquet(bytes).intoIPCStream())
    expect(table.schema.fields.map(String)).toEqual([
      'key: Utf8',
      'label: Utf8',
      'width: Int32',
      'height: Int32',
      'sha256: Utf8',
      'vector: List<Float32>',
    ])
    const rows = (table.toArray() as { toJSON(): Record<string, unknown> }[]).map(row => row.toJSON())
    expect(rows.map(row => ({ ...row, vector: [...(row['vector'] as Iterable<number>)] }))).toEqual(await expectedRows())
    expect(JSON.parse(table.schema.metadata.get('layermill') ?? '{}')).toMatchObject({
      layer: 'conv2',
      shape: [192],
      dtype: 'float32',
      model: 'googlenet',
      images: 30,
    })

    // The parts are named in the file's metadata, so only the rows can be the same.
    const other = await at('whole')
    await extract(other, '--format', 'safetensors')
    const again = await at('again.parquet')
    expect(await runCli(['export', other, '--to', 'parquet', '--out', again])).toMatchObject({ code: 0 })
    const footer = bytes.readUInt32LE(bytes.length - 8) + 8
    expect(Buffer.compare((await readFile(again)).subarray(0, bytes.length - footer), bytes.subarray(0, -footer))).toBe(0)
  })

  it('replaces a file only where it is told to, and refuses what it cannot write', async () => {
    const out = await at('there.parquet')
    await writeFile(out, 'something')
    const run = (...more: string[]): ReturnType<typeof runCli> => runCli(['export', features, '--to', 'parquet', '--out', out, ...more])
    expect(await run()).toMatchObject({ code: 1, stderr: expect.stringMatching(/EXPORT_EXISTS.*\n--overwrite replaces it/) })
    expect(await readFile(out, 'utf8')).toBe('something')
    expect(await run('--overwrite', '--json')).toMatchObject({ code: 0, stdout: expect.stringContaining('"images":30') })
    expect((await readFile(out)).subarray(0, 4).toString()).toBe('PAR1')
    expect(await run('--table', 'x')).toMatchObject({ code: 2 })
    expect(await runCli(['export', features, '--to', 'parquet', '--out', await at('table')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('.parquet'),
    })
    expect(await runCli(['export', features, '--to', 'xlsx', '--out', out])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected parquet, csv or lancedb'),
    })
  })

  it('leaves nothing where the features cannot be read to the end', async () => {
    const out = await at('broken.parquet')
    const path = join(features, 'features/conv2/part-00003.npy')
    const whole = await readFile(path)
    await writeFile(path, whole.subarray(0, -4))
    try {
      expect(await runCli(['export', features, '--to', 'parquet', '--out', out])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('FEATURES_INVALID'),
      })
    } finally {
      await writeFile(path, whole)
    }
    expect((await filesBelow(await folder())).filter(file => file.startsWith('broken') || file.startsWith('.layermill'))).toEqual([])
  })
})

interface Found {
  readonly key: string
  readonly distance: number
}

/** The same list by the command that compares everything itself. */
async function similar(key: string, metric: string): Promise<Found[]> {
  const { stdout } = await runCli(['similar', '--key', key, '--features', features, '--metric', metric, '--top', '6', '--json'])
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Found)
}

/** Opens a table of a database as any user of LanceDB does. */
async function openTable(database: string, name: string, storageOptions?: Record<string, string>): Promise<Table> {
  return (await connect(database, storageOptions === undefined ? {} : { storageOptions })).openTable(name)
}

describe('export --to lancedb', () => {
  it('makes a table in which the client finds what similar finds', async () => {
    const database = await at('vectors')
    expect(await runCli(['export', features, '--to', 'lancedb', '--out', database])).toMatchObject({
      code: 0,
      stdout: `30 images, vectors of 192 numbers: ${database}, table conv2\n`,
    })
    const table = await openTable(database, 'conv2')
    const rows = (await table.query().toArray()) as Record<string, unknown>[]
    expect(rows.map(row => ({ ...row, vector: [...(row['vector'] as Iterable<number>)] }))).toEqual(await expectedRows())
    const query = (await readNpy(features, 'conv2')).get('odd/7.png')!
    for (const metric of ['l2', 'cosine'] as const) {
      const found = (await table.vectorSearch(query).distanceType(metric).limit(6).toArray()) as { key: string; _distance: number }[]
      const expected = await similar('odd/7.png', metric)
      expect(found.map(({ key }) => key)).toEqual(expected.map(({ key }) => key))
      // LanceDB gives the square of the Euclidean distance.
      const distances = expected.map(({ distance }) => (metric === 'l2' ? distance ** 2 : distance))
      for (const [i, { _distance: distance }] of found.entries())
        expect(Math.abs(distance - distances[i]!)).toBeLessThan(1e-5 * Math.max(1, distances.at(-1)!))
    }
  })

  it('goes on where an export was stopped, does nothing twice, and replaces another table only where it is told to', async () => {
    const database = await at('resumed')
    const run = (...more: string[]): ReturnType<typeof runCli> =>
      runCli(['export', features, '--to', 'lancedb', '--out', database, ...more])
    await run()
    const before = await openTable(database, 'conv2')
    const order = ((await before.query().select(['key']).toArray()) as { key: string }[]).map(({ key }) => key)
    await before.delete(
      `key in (${order
        .slice(13)
        .map(key => `'${key}'`)
        .join(', ')})`,
    )
    expect(await before.countRows()).toBe(13)
    expect(await run()).toMatchObject({ code: 0, stdout: expect.stringContaining('(13 were there)') })
    const rows = (await (await openTable(database, 'conv2')).query().toArray()) as { key: string; vector: Iterable<number> }[]
    expect(rows).toHaveLength(30)
    expect(new Map(rows.map(({ key, vector }) => [key, [...vector]]))).toEqual(await readNpy(features, 'conv2'))
    expect(await run()).toMatchObject({ code: 0, stdout: expect.stringContaining('(all were there)') })

    const other = await at('other')
    await extract(other, '--part-size', '10')
    const replace = ['export', other, '--to', 'lancedb', '--out', database]
    expect(await runCli(replace)).toMatchObject({ code: 1, stderr: expect.stringContaining('EXPORT_EXISTS') })
    expect(await runCli([...replace, '--table', 'second'])).toMatchObject({ code: 0 })
    expect(await runCli([...replace, '--overwrite'])).toMatchObject({ code: 0, stdout: expect.not.stringContaining('were there') })
    expect(await (await openTable(database, 'conv2')).countRows()).toBe(30)
    expect(await run('--table', '../up')).toMatchObject({ code: 2, stderr: expect.stringContaining('--table') })
  })

  it('says what to install where the client is not there', async () => {
    const hide = `import m from 'node:module'
      const resolve = m._resolveFilename
      m._resolveFilename = (name, ...rest) => { if (name === '@lancedb/lancedb') throw new Error("Cannot find module '" + name + "'"); return resolve(name, ...rest) }`
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(hide)}`]
    const result = await runCli(['export', features, '--to', 'lancedb', '--out', await at('none')], { nodeArgs })
    expect(result).toMatchObject({ code: 1, stdout: '' })
    expect(result.stderr).toMatch(/CLIENT_MISSING.*\n.*npm install @lancedb\/lancedb@\d/)
  })
})

describe('on S3', () => {
  let s3: Awaited<ReturnType<typeof useS3Server>>
  const bucket = `export-${randomBytes(4).toString('hex')}`
  beforeAll(async () => {
    s3 = await useS3Server()
    await createBucket(bucket)
    const store = openStore(`s3://${bucket}/features`)
    for (const path of await filesBelow(features)) await store.put(path, await readFile(join(features, path)))
    await store.close()
  })
  afterAll(() => s3?.stop())

  it('writes the same table there', async () => {
    const here = await at('here.parquet')
    await runCli(['export', features, '--to', 'parquet', '--out', here])
    const out = `s3://${bucket}/tables/conv2.parquet`
    const run = ['export', `s3://${bucket}/features`, '--to', 'parquet', '--out', out]
    expect(await runCli(run)).toMatchObject({ code: 0 })
    const store = openStore(`s3://${bucket}/tables`)
    expect(Buffer.compare((await store.get('conv2.parquet'))!, await readFile(here))).toBe(0)
    await store.close()
    expect(await runCli(run)).toMatchObject({ code: 1, stderr: expect.stringContaining('EXPORT_EXISTS') })
  })

  it('fills a database there, and shows no credentials where it cannot', async () => {
    const run = (env: Record<string, string> = {}): ReturnType<typeof runCli> =>
      runCli(['export', features, '--to', 'lancedb', '--out', `s3://${bucket}/vectors`], { env })
    expect(await run()).toMatchObject({ code: 0, stdout: expect.stringContaining('30 images') })
    expect(await run()).toMatchObject({ code: 0, stdout: expect.stringContaining('(all were there)') })
    const secret = 'a-secret-that-is-wrong'
    const refused = await run({ AWS_SECRET_ACCESS_KEY: secret })
    expect(refused.code).toBe(1)
    expect(refused.stdout + refused.stderr).not.toContain(secret)
  })
})
