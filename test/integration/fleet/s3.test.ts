import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { download, Fleet, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { imageBytes } from '../../helpers/images.js'
import { fileHashes, readCommits, readRun } from '../../helpers/results.js'
import { useS3Server } from '../storage/s3-server.js'

const folder = testFolder('fleet-s3')
const bucket = `fleet-${randomBytes(4).toString('hex')}`
const images = 96
let fleet: Fleet
let s3: Awaited<ReturnType<typeof useS3Server>>

beforeAll(async () => {
  s3 = await useS3Server()
  await createBucket(bucket)
  const store = openStore(`s3://${bucket}/photos`)
  for (let i = 0; i < images; i++) await store.put(`${i % 3}/image${String(i).padStart(3, '0')}.png`, await imageBytes(i))
  await store.put('1/broken.png', 'not an image')
  await store.close()
  fleet = await Fleet.start()
})

afterAll(async () => {
  await fleet?.stop()
  await s3?.stop()
})

const spec = ['--model', 'googlenet', '--layers', 'conv2', '--size', '32x32', '--part-size', '16', '--max-errors', '2']

it('computes from S3 over Redis to S3 with two workers what one process computes', async () => {
  const source = `s3://${bucket}/photos`
  const weights = join(await folder(), 'weights.safetensors')
  expect(await runCli(['weights', 'import', 'random:7', '--model', 'googlenet', '--out', weights])).toMatchObject({ code: 0 })
  const alone = join(await folder(), 'alone')
  const embedded = await runCli(['extract', source, ...spec, '--weights', weights, '--device', 'cpu', '--out', alone])
  expect(embedded).toMatchObject({ code: 3 })

  // Workers with nothing of their own: the weights reach them through the store alone, once the file is gone.
  const store = ['--weights-store', `s3://${bucket}/fleet`]
  const homes = [join(await folder(), 'home1'), join(await folder(), 'home2')]
  const out = `s3://${bucket}/features`
  const submitted = fleet.run(['extract', source, ...spec, '--weights', weights, '--out', out, '--queue', fleet.queue, ...store])
  await expect.poll(() => openStore(out).stat('manifest/part-00006.jsonl')).toBeDefined()
  await rm(weights)
  const workers = await Promise.all(homes.map(home => fleet.worker(store, { env: { LAYERMILL_HOME: home } })))
  expect(await submitted.ended).toMatchObject({ code: 3, stdout: expect.stringMatching(/96 images, 1 failed: conv2 192x8x8 in 7 parts/) })
  const together = join(await folder(), 'together')
  await download(out, together)
  // One may have done all before the other was there.
  const busy = new Set((await readCommits(together)).map(commit => commit.worker))
  const names = await Promise.all(workers.map(worker => untilSaid(worker, /worker (\S+): onnx on cpu/)))
  expect(busy.size).toBeGreaterThan(0)
  expect([...busy].filter(name => name === undefined || !names.includes(name))).toEqual([])
  for (const [i, worker] of workers.entries()) if (busy.has(names[i])) expect(worker.stderr()).toMatch(/weights [0-9a-f]{12}: fetching/)
  expect(await fileHashes(together)).toEqual(await fileHashes(alone))
  expect(Object.keys(await fileHashes(together))).toContain('_SUCCESS')
  expect((await readRun(together)).counts).toEqual((await readRun(alone)).counts)

  for (const worker of workers) worker.child.kill('SIGTERM')
  for (const worker of workers) expect(await worker.ended).toMatchObject({ code: 0, stderr: expect.stringContaining('drained') })
})

it('keeps features in a bucket for all runs and workers', async () => {
  const workers = [await fleet.worker(), await fleet.worker()]
  const extract = async (source: string, name: string): Promise<string> => {
    const out = `s3://${bucket}/${name}`
    const cache = ['--cache', `s3://${bucket}/cache`, '--cache-size', '1GB']
    const submitted = await fleet.run(['extract', source, ...spec, '--weights', 'random:7', '--out', out, '--queue', fleet.queue, ...cache])
      .ended
    expect([0, 3], submitted.stderr).toContain(submitted.code)
    const copy = join(await folder(), name)
    await download(out, copy)
    return copy
  }
  const first = await extract(`s3://${bucket}/photos`, 'first')
  const second = await extract(`s3://${bucket}/photos`, 'second')
  expect((await readRun(first)).counts).toEqual({ images: 97, done: 96, failed: 1, parts: 7, cached: 0 })
  expect((await readRun(second)).counts).toEqual({ images: 97, done: 96, failed: 1, parts: 7, cached: 96 })
  expect(await fileHashes(second)).toEqual(await fileHashes(first))
  expect((await readRun(await extract(`s3://${bucket}/photos/2/`, 'third'))).counts).toMatchObject({ done: 32, cached: 32 })

  for (const worker of workers) {
    worker.child.kill('SIGTERM')
    const { code, stderr } = await worker.ended
    expect(code).toBe(0)
    expect(stderr).not.toContain('cache')
  }
})

it('takes an ONNX model from a bucket, with its external data and preparation', async () => {
  const files = new URL('../../conformance/onnx-files/models/hand-external-data-one-file/', import.meta.url)
  const place = `s3://${bucket}/networks/resnet/`
  const store = openStore(place)
  for (const name of ['model.onnx', 'model.onnx.data']) await store.put(name, await readFile(new URL(name, files)))
  const processor = { image_processor_type: 'BitImageProcessor', size: { shortest_edge: 64 }, crop_size: 64 }
  await store.put('preprocessor_config.json', JSON.stringify(processor))
  await store.close()
  const out = join(await folder(), 'network')
  const wanted = ['--model', place, '--layers', 'layer1', '--device', 'cpu', '--out', out]
  expect(await runCli(['extract', `s3://${bucket}/photos/0/`, ...wanted])).toMatchObject({ code: 0 })
  expect((await readRun(out)).identity).toMatchObject({ layers: ['layer1'], preparation: { size: { height: 64, width: 64 } } })
})

it('predicts into one file in a bucket', async () => {
  const worker = await fleet.worker()
  const out = `s3://${bucket}/classes.jsonl`
  const predicted = await fleet.command([
    'predict',
    `s3://${bucket}/photos/0/`,
    '--model',
    'googlenet',
    '--weights',
    'random:1',
    '--top',
    '2',
    '--out',
    out,
    '--queue',
    fleet.queue,
  ])
  expect(predicted).toMatchObject({ code: 0, stdout: expect.stringContaining(`32 images: ${out}`) })
  const store = openStore(`s3://${bucket}/`)
  const lines = new TextDecoder()
    .decode(await store.get('classes.jsonl'))
    .trim()
    .split('\n')
  expect(lines).toHaveLength(32)
  expect(JSON.parse(lines[0]!)).toMatchObject({ key: 'image000.png', classes: [{ probability: expect.any(Number) }, {}] })
  worker.child.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0 })
})
