import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '@layermill/storage'
import { createBucket } from '@layermill/storage/testing'
import { type RedisService, startRedis } from '../../../scripts/services/redis.mjs'
import { type CliProcess, runCli, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { useS3Server } from '../storage/s3-server.js'
import { shapeImage, shapeNames, writeShapes } from './shapes.js'

const folder = testFolder('train-s3')
let redis: RedisService
let stopS3: () => Promise<void>
const bucket = `train-${process.pid}`
let worker: CliProcess

beforeAll(async () => {
  const server = await useS3Server()
  stopS3 = server.stop
  await createBucket(bucket)
  redis = await startRedis()
  worker = startCli(['worker', '--queue', redis.url, '--device', 'cpu'])
  await writeShapes(join(await folder(), 'shapes'), 8)
  const store = openStore(`s3://${bucket}/shapes`)
  for (const name of shapeNames) {
    for (let i = 0; i < 8; i++) await store.put(`${name}/${String(i).padStart(4, '0')}.png`, await shapeImage(name, i))
  }
  await store.close()
})
afterAll(async () => {
  worker?.child.kill('SIGKILL')
  await worker?.ended
  await redis?.stop()
  await stopS3?.()
})

describe('fine-tuning with images and model in a bucket and workers on Redis', () => {
  it('has the same bits as in folders and one process, and a model that predict takes from its URL', async () => {
    const command = (source: string, out: string, ...more: string[]): string[] => [
      ...[
        'finetune',
        source,
        '--model',
        'googlenet',
        '--weights',
        'random:1',
        '--layer',
        'inception_3a',
        '--size',
        '32x32',
        '--base',
        'full',
      ],
      ...['--epochs', '2', '--batch-size', '8', '--micro-batch', '4', '--validation', '0.25', '--device', 'cpu', '--out', out, ...more],
    ]
    const here = join(await folder(), 'here')
    const local = await runCli(command(join(await folder(), 'shapes'), here))
    expect(local.code, local.stderr).toBe(0)
    const url = `s3://${bucket}/models/shapes`
    const remote = await runCli(command(`s3://${bucket}/shapes/`, url, '--queue', redis.url))
    expect(remote.code, remote.stderr).toBe(0)
    const store = openStore(url)
    for (const name of ['model.safetensors', 'metrics.jsonl']) {
      expect(Buffer.compare(Buffer.from((await store.get(name))!), await readFile(join(here, name))), name).toBe(0)
    }
    await store.close()
    const predicted = await runCli(['predict', `s3://${bucket}/shapes/disc/`, '--model', url, '--device', 'cpu'])
    expect(predicted.code, predicted.stderr).toBe(0)
    expect(predicted.stdout).toContain('triangle')
  })
})
