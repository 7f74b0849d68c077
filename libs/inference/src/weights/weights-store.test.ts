import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getNetwork } from '@layermill/models'
import { loadWeights, type WeightSet } from '@layermill/weights'
import { openStore } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FleetWeights } from './weights-store.js'

const network = getNetwork('googlenet')
let folder: string
let sets: WeightSet[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-weights-store-'))
  const load = async (seed: number): Promise<WeightSet> => ({
    ...(await loadWeights('googlenet', `random:${seed}`)),
    format: 'safetensors',
  })
  sets = [await load(1), await load(2), await load(3)]
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const fleet = (name: string, limit = 1e12): FleetWeights =>
  new FleetWeights({ store: openStore(join(folder, 'store')), folder: join(folder, name), limit })
const kept = async (name: string): Promise<string[]> =>
  (await readdir(join(folder, name))).filter(file => file.endsWith('.safetensors')).sort()

it('passes weights on by their hash, and says where there are none', async () => {
  for (const weights of sets) await fleet('orchestrator').publish(network, weights)
  const obtained = await fleet('worker').obtain('googlenet', sets[0]!.sha256)
  expect(obtained?.sha256).toBe(sets[0]!.sha256)
  expect(await fleet('worker').obtain('googlenet', 'f'.repeat(64))).toBeUndefined()
})

it('keeps to its limit: what was used longest ago goes', async () => {
  const room = 2.5 * [...sets[0]!.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0)
  const worker = fleet('limited', room)
  await worker.obtain('googlenet', sets[0]!.sha256)
  await worker.obtain('googlenet', sets[1]!.sha256)
  await worker.obtain('googlenet', sets[0]!.sha256)
  await worker.obtain('googlenet', sets[2]!.sha256)
  expect(await kept('limited')).toEqual([sets[0]!.sha256, sets[2]!.sha256].map(sha256 => `${sha256}.safetensors`).sort())
})

it('refuses a file that is not what its name says, and fetches it again once it is', async () => {
  const store = openStore(join(folder, 'store'))
  const path = (weights: WeightSet): string => `weights/${weights.sha256}.safetensors`
  const right = (await store.get(path(sets[1]!)))!
  await store.put(path(sets[1]!), (await store.get(path(sets[2]!)))!)
  const worker = fleet('suspicious')
  await expect(worker.obtain('googlenet', sets[1]!.sha256)).rejects.toThrow(expect.objectContaining({ code: 'WEIGHTS_HASH' }))
  expect(await kept('suspicious')).toEqual([])
  await store.put(path(sets[1]!), right)
  expect((await worker.obtain('googlenet', sets[1]!.sha256))?.sha256).toBe(sets[1]!.sha256)
})

it('does not publish random weights: they are made faster than fetched', async () => {
  const other = new FleetWeights({ store: openStore(join(folder, 'empty')), folder: join(folder, 'other'), limit: 1e12 })
  await other.publish(network, await loadWeights('googlenet', 'random:1'))
  expect(await other.store.stat(`weights/${sets[0]!.sha256}.safetensors`)).toBeUndefined()
})
