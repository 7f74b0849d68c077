import type { RunRecord } from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { expect, it } from 'vitest'
import { missingRoom } from './plan-report.js'

const record = { layers: [{ bytesPerImage: 800 }, { bytesPerImage: 200 }] } as unknown as RunRecord
const storeWith = (free: number | undefined): Store => ({ freeBytes: async () => free }) as unknown as Store

it('says by how much a run’s results would not fit, and nothing where they do or nobody knows', async () => {
  expect(await missingRoom(record, 10, storeWith(9999))).toEqual({ needed: 10_000, free: 9999 })
  expect(await missingRoom(record, 10, storeWith(10_000))).toBeUndefined()
  expect(await missingRoom(record, 10, storeWith(undefined))).toBeUndefined()
})
