import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readModelFolder } from '@layermill/weights'
import { openSource, openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage, writeImages } from '../../helpers/images.js'
import { pictures, writePictures } from '../../helpers/parquet.js'
import { commitFaults, readIndex, readNpy } from '../../helpers/results.js'
import { shapeImage, shapeNames } from '../train/shapes.js'
import { useS3Server } from '../storage/s3-server.js'

const folder = testFolder('archives')
let root = ''
let photos = ''
let expected: Map<string, number[]>
let s3: Awaited<ReturnType<typeof useS3Server>>

const pack = (shard: string, names: readonly string[]): void => {
  execFileSync('tar', ['-cf', join(root, shard), '-C', photos, ...names])
}

async function extract(source: string, out: string, ...more: string[]): Promise<Map<string, number[]>> {
  const { code, stderr } = await runCli(smallRun(source, join(root, out), '--part-size', '3', ...more))
  expect(code, stderr).toBe(0)
  expect(await commitFaults(join(root, out))).toEqual([])
  return readNpy(join(root, out), 'conv2')
}

const byName = (values: ReadonlyMap<string, number[]>): Map<string, number[]> =>
  new Map(
    [...values].map(([key, value]): [string, number[]] => [key.slice(key.indexOf('/') + 1), value]).sort(([a], [b]) => (a < b ? -1 : 1)),
  )

beforeAll(async () => {
  root = await folder()
  photos = join(root, 'photos')
  const names = await writeImages(photos, 7)
  pack('set-000.tar', names.slice(0, 4))
  pack('set-001.tar', names.slice(4))
  expected = await extract(photos, 'plain')
  s3 = await useS3Server()
})

afterAll(async () => s3?.stop())

it('gives the features of the same images in a folder, and with --update those of a shard that changed', async () => {
  const source = join(root, 'set-{000..001}.tar')
  const values = await extract(source, 'tars')
  expect([...values.keys()]).toEqual([...expected.keys()].map((key, i) => `set-00${i < 4 ? 0 : 1}.tar/${key}`))
  expect(byName(values)).toEqual(expected)

  await writeImage(photos, 'new.png', 99)
  pack('set-001.tar', ['image00005.png', 'new.png'])
  const changed = byName(await extract(source, 'tars', '--update'))
  const kept = [...expected.keys()].filter(key => !/0000[46]/.test(key))
  expect([...changed.keys()]).toEqual([...kept, 'new.png'])
  for (const key of kept) expect(changed.get(key)).toEqual(expected.get(key))
  expect(await readIndex(join(root, 'tars'))).toHaveLength(6)
})

it('reads archives in a bucket by ranges', async () => {
  const bucket = `archives-${randomBytes(4).toString('hex')}`
  await createBucket(bucket)
  const store = openStore(`s3://${bucket}/sets`)
  await store.put('set-000.tar', await readFile(join(root, 'set-000.tar')))
  await store.close()
  const first = new Map([...expected].slice(0, 4))
  expect(byName(await extract(`s3://${bucket}/sets/set-{000..000}.tar`, 'range'))).toEqual(first)
  for (const place of ['*.tar', 'set-000.tar']) {
    const source = await openSource(`s3://${bucket}/sets/${place}`)
    const keys: string[] = []
    for await (const { key } of source.items()) keys.push(key)
    expect(keys).toEqual([...first.keys()].map(key => `set-000.tar/${key}`))
    await source.close()
  }
})

it('gives the same features from images in Parquet files, on disk and in a bucket, and knows their labels', async () => {
  const rows = await Promise.all(
    [...expected.keys()].map(async (path, i) => ({ path, bytes: await readFile(join(photos, path)), label: i % 2 })),
  )
  const options = { rowGroupSize: 2, classes: ['cat', 'dog'] }
  await writePictures(join(root, '00.parquet'), rows.slice(0, 5), { ...options, codec: 'ZSTD' })
  await writePictures(join(root, '01.parquet'), rows.slice(5), { ...options, codec: 'SNAPPY', offsetIndex: true })
  const values = await extract(join(root, '{00..01}.parquet'), 'parquet')
  expect([...values.keys()]).toEqual(rows.map(({ path }, i) => (i < 5 ? `00.parquet/row-${i}/${path}` : `01.parquet/row-${i - 5}/${path}`)))
  expect([...values.values()]).toEqual([...expected.values()])
  const index = await readIndex(join(root, 'parquet'))
  expect(index.map(({ label }) => label)).toEqual(rows.map(({ label }) => options.classes[label]))

  const bucket = `parquet-${randomBytes(4).toString('hex')}`
  await createBucket(bucket)
  const store = openStore(`s3://${bucket}`)
  await store.put('data/all.parquet', pictures(rows, { rowGroupSize: 4, codec: 'SNAPPY' }))
  await store.close()
  expect([...(await extract(`s3://${bucket}/data/*.parquet`, 'bucket')).values()]).toEqual([...expected.values()])
})

it('predicts from an archive, and a worker of a queue reads one', async () => {
  const tar = join(root, 'set-000.tar')
  const network = ['--model', 'googlenet', '--weights', 'random:1', '--device', 'cpu']
  const { stdout } = succeeded(await runCli(['predict', tar, ...network, '--top', '1']))
  for (const name of [...expected.keys()].slice(0, 4)) expect(stdout).toContain(`set-000.tar/${name}`)

  const fleet = await Fleet.start()
  try {
    await fleet.worker()
    const out = join(root, 'queued')
    succeeded(await fleet.command(smallRun(tar, out, '--part-size', '3', '--queue', fleet.queue)))
    expect(await commitFaults(out)).toEqual([])
    expect(byName(await readNpy(out, 'conv2'))).toEqual(new Map([...expected].slice(0, 4)))
  } finally {
    await fleet.stop()
  }
})

it('fine-tunes from class folders in an archive, and from labels in a Parquet file', async () => {
  const shapes = join(root, 'shapes')
  const rows = []
  for (const [label, name] of shapeNames.entries()) {
    for (let i = 0; i < 4; i++) {
      await writeImage(shapes, `${name}/${i}.png`, i)
      rows.push({ bytes: await shapeImage(name, i), path: `${i}.png`, label })
    }
  }
  execFileSync('tar', ['-cf', join(root, 'shapes.tar'), '-C', shapes, ...shapeNames])
  await writePictures(join(root, 'shapes.parquet'), rows, { classes: shapeNames })
  const network = [
    '--model',
    'googlenet',
    '--weights',
    'random:1',
    '--layer',
    'conv2',
    '--size',
    '32x32',
    '--device',
    'cpu',
    '--epochs',
    '1',
    '--batch-size',
    '4',
    '--validation',
    '0.25',
  ]
  for (const kind of ['tar', 'parquet']) {
    const out = join(root, `tuned-${kind}`)
    succeeded(await runCli(['finetune', join(root, `shapes.${kind}`), ...network, '--out', out]))
    const store = openStore(out)
    expect((await readModelFolder(store, out))?.labels).toEqual([...shapeNames])
    await store.close()
  }
})
