import { expect, it } from 'vitest'
import { WorkerMetrics } from './metrics.js'
import { WorkerActivity } from './worker-activity.js'

const metrics = (): WorkerMetrics => new WorkerMetrics({ version: '0', device: 'cpu', engine: 'onnx', defaults: false })
const data = { v: 1, run: 'r1', store: '/out', part: 3 }
const never = new AbortController().signal

it('tells what is under way, counts images once and forgets what is done', async () => {
  let time = 0
  const counted = metrics()
  const activity = new WorkerActivity(counted, () => time)
  const seen: number[] = []
  const watched = activity.watch({
    process: async (_data, report) => {
      time = 10_000
      report({ images: 30, failed: 2, total: 64 })
      expect(activity.jobs).toEqual([{ run: 'r1', part: 3, done: 32, images: 64 }])
      return { images: 60, failed: 4 }
    },
  })
  expect(await watched.process(data, ({ images }) => seen.push(images), never)).toEqual({ images: 60, failed: 4 })
  expect(seen).toEqual([30])
  expect(activity.jobs).toEqual([])
  expect(activity.imagesPerSecond).toBeCloseTo(6.4)
  const text = await counted.registry.metrics()
  expect(text).toContain('layermill_worker_images_total{result="done"} 60')
  expect(text).toContain('layermill_worker_images_total{result="failed"} 4')
  time = 60_000
  expect(activity.imagesPerSecond).toBe(0)
})

it('counts parts that failed as failed', async () => {
  const counted = metrics()
  const activity = new WorkerActivity(counted)
  const watched = activity.watch({ process: () => Promise.reject(new Error('broken')) })
  await expect(watched.process(data, () => undefined, never)).rejects.toThrow('broken')
  expect(activity.jobs).toEqual([])
  expect(await counted.registry.metrics()).toContain('layermill_worker_parts_total{result="failed"} 1')
})
