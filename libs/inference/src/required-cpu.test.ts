import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '@layermill/engines'
import { cpuPath, parseSpec } from '@layermill/contracts'
import { openStore, type Store } from '@layermill/storage'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { computedByOf, requireCpu } from './required-cpu.js'

let root = ''
let store: Store
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-cpu-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))
beforeEach(async () => {
  store = openStore(await mkdtemp(join(root, 'run-')))
})

/** An engine of a machine that computes this number, and no other. */
const machine = (value: number): Engine =>
  ({
    name: 'onnx',
    version: 'onnxruntime 1',
    device: 'cpu',
    extractor: async () => ({
      run: async () => new Map([['x', { shape: [1], data: Float32Array.of(value) }]]),
      release: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }),
  }) as unknown as Engine
const check = async (engine: Engine, wanted?: string): Promise<void> =>
  requireCpu(
    {
      spec: parseSpec({
        kind: 'extract',
        source: '/a',
        model: 'resnet50',
        out: '/b',
        ...(wanted === undefined ? {} : { requireCpu: wanted }),
      }),
    },
    store,
    { openEngine: async () => engine },
  )

it('lets any machine compute where nothing is required', async () => {
  await check(machine(1))
  await check(machine(2))
  expect(await store.get(cpuPath)).toBeUndefined()
})

it('lets only machines compute that are as the first, whoever asks and how it is written', async () => {
  const [first, same, other] = [machine(1), machine(1), machine(2)]
  await check(first, 'SAME')
  expect(String(new TextDecoder().decode(await store.get(cpuPath))).trim()).toBe((await computedByOf(first)).cpu)
  await check(same, 'same')
  await expect(check(other, 'same')).rejects.toMatchObject({
    code: 'CPU_UNFIT',
    message: expect.stringMatching(/its first worker's\), this machine's is/) as string,
  })
})

it('agrees on one first machine where several begin at once', async () => {
  const outcomes = await Promise.allSettled([1, 2, 1, 2, 1, 2].map(value => check(machine(value), 'same')))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
})

it('takes a kind by its name', async () => {
  const { cpu } = await computedByOf(machine(1))
  await check(machine(1), cpu)
  await check(machine(1), cpu.replace(/\..*$/, ''))
  await check(machine(2), cpu.replace(/\..*$/, ''))
  await expect(check(machine(2), cpu)).rejects.toMatchObject({ code: 'CPU_UNFIT' })
  await expect(check(machine(1), 'riscv64-vector')).rejects.toMatchObject({ code: 'CPU_UNFIT' })
})
