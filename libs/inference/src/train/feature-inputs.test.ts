import { featurePath, indexPath, type TrainingPlan } from '@layermill/contracts'
import { createPartWriter, encodeIndex, type ManifestRow } from '@layermill/storage'
import { MemoryStore } from '@layermill/storage/testing'
import { describe, expect, it } from 'vitest'
import { PhaseClock } from '../part/phase-clock.js'
import { FeatureInputs } from './feature-inputs.js'

const shape = [3]
const plan = { features: 'pool5' } as TrainingPlan
const keyOf = (part: number, row: number): string => `${part}-${row}.jpg`
const valuesOf = (part: number, row: number): number[] => [part, row, part * 10 + row]

/** Feature files are read by it, and nothing else is counted. */
class CountedStore extends MemoryStore {
  reads: string[] = []

  override async getRange(key: string, start: number, end: number): Promise<Uint8Array | undefined> {
    this.reads.push(key)
    return super.getRange(key, start, end)
  }
}

/** A store of three parts of four rows. */
async function storedParts(): Promise<CountedStore> {
  const store = new CountedStore()
  for (let part = 0; part < 3; part++) {
    const keys = Array.from({ length: 4 }, (_, row) => keyOf(part, row))
    const layers = [{ layer: 'pool5', rowShape: shape }]
    const writer = createPartWriter({ format: 'npy', dtype: 'float32', part, layers, keys })
    keys.forEach((_, row) => writer.setRow('pool5', row, Float32Array.from(valuesOf(part, row))))
    for (const { path, bytes } of writer.finish(keys, [])) await store.put(path, bytes)
    const index = keys.map((key, row) => ({ key, part, row, width: 1, height: 1, sha256: '0'.repeat(64) }))
    await store.put(indexPath(part), encodeIndex(index))
  }
  return store
}

const rows = [2, 0, 1].flatMap(part => [3, 0, 2, 1].map(row => ({ key: keyOf(part, row) }) as ManifestRow))
const expected = [2, 0, 1].flatMap(part => [3, 0, 2, 1].flatMap(row => valuesOf(part, row)))

async function readTwice(store: CountedStore, memory: number): Promise<Float32Array[]> {
  const inputs = new FeatureInputs({ plan, shape, training: [store], validation: new MemoryStore(), memory, clock: new PhaseClock() })
  const request = { rows, side: 'training', epoch: 0 } as const
  const read = async (): Promise<Float32Array> => (await inputs.read(request)).data
  return [await read(), await read()]
}

describe('FeatureInputs', () => {
  it('reads each part once, however many of its rows are asked for', async () => {
    const store = await storedParts()
    for (const data of await readTwice(store, 1e6)) expect([...data]).toEqual(expected)
    expect(store.reads.toSorted()).toEqual([0, 1, 2].map(part => featurePath('pool5', part, 'npy')))
  })

  it('reads one by one what there is no room for, and headers once', async () => {
    const store = await storedParts()
    for (const data of await readTwice(store, 10)) expect([...data]).toEqual(expected)
    // The whole file is in its head here.
    expect(store.reads).toHaveLength(3)
  })
})
