import { beforeEach, describe, expect, it } from 'vitest'
import { createHealthServer, type HealthServer } from './health.js'
import { workerMetrics } from './metric-table.js'
import { WorkerMetrics } from './metrics.js'

describe('createHealthServer', () => {
  let server: HealthServer
  let metrics: WorkerMetrics
  let alive: () => boolean | Promise<boolean>
  let ready: boolean

  beforeEach(async () => {
    alive = () => true
    ready = false
    metrics = new WorkerMetrics({ version: '1.2.3', device: 'cpu', engine: 'onnx', defaults: false })
    server = await createHealthServer({ host: '127.0.0.1', port: 0, metrics, alive: () => alive(), ready: () => ready, deadline: 20 })
    return () => server.close()
  })

  const get = async (path: string, init?: RequestInit): Promise<[number, string]> => {
    const response = await fetch(`${server.url}${path}`, init)
    return [response.status, await response.text()]
  }

  it('tells alive from ready', async () => {
    expect(await get('/healthz')).toEqual([200, '{"alive":true}'])
    expect(await get('/readyz')).toEqual([503, '{"ready":false}'])
    ready = true
    expect(await get('/readyz?verbose')).toEqual([200, '{"ready":true}'])
  })

  it('is not alive where the answer is no, an error, or does not come', async () => {
    for (const answer of [() => false, () => Promise.reject(new Error('secret')), () => new Promise<boolean>(() => {})]) {
      alive = answer
      expect(await get('/healthz')).toEqual([503, '{"alive":false}'])
    }
  })

  it('serves every metric of the table', async () => {
    metrics.startPart()
    metrics.startPart()({ done: 510, failed: 2 })
    metrics.startPart()('failed')
    metrics.setDraining(true)
    const [status, text] = await get('/metrics')
    expect(status).toBe(200)
    for (const [name, { type }] of Object.entries(workerMetrics)) expect(text).toContain(`# TYPE ${name} ${type}\n`)
    expect(text).toContain('layermill_worker_images_total{result="done"} 510\n')
    expect(text).toContain('layermill_worker_images_total{result="failed"} 2\n')
    expect(text).toContain('layermill_worker_parts_total{result="done"} 1\n')
    expect(text).toContain('layermill_worker_parts_total{result="failed"} 1\n')
    expect(text).toContain('layermill_worker_part_duration_seconds_count 1\n')
    expect(text).toContain('layermill_worker_jobs_active 1\n')
    expect(text).toContain('layermill_worker_draining 1\n')
    expect(text).toMatch(/layermill_worker_info\{version="1.2.3",device="cpu",engine="onnx",node="[\d.]+"\} 1\n/)
  })

  it('answers nothing else', async () => {
    expect((await get('/'))[0]).toBe(404)
    expect((await get('/metrics', { method: 'POST', body: 'x' }))[0]).toBe(405)
    expect(await get('/healthz', { method: 'HEAD' })).toEqual([200, ''])
  })

  it('says which port is taken', async () => {
    const { port } = new URL(server.url)
    const second = createHealthServer({ host: '127.0.0.1', port: Number(port), metrics, alive: () => true, ready: () => true })
    await expect(second).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: expect.stringContaining(`127.0.0.1 port ${port}`) as string,
    })
  })
})
