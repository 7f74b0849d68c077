import { MemoryStore } from '@layermill/storage/testing'
import { expect, it } from 'vitest'
import { ScheduleStore } from './schedule-store.js'
import { changeLatest } from '../registry/head.js'
import { allocateVersion } from '../registry/versions.js'

/** A store on a server that passes over If-Match and If-None-Match. */
class Unconditional extends MemoryStore {
  override async swapsExactly(): Promise<boolean> {
    return false
  }
}

const draft = {
  name: 'pets',
  run: 'finetune-1',
  out: '/out',
  sha256: 'a'.repeat(64),
  created: '2027-01-01T00:00:00.000Z',
  by: 'run finetune-1',
}

it('a store that ignores conditions holds neither versions nor schedules, and nothing is written to it', async () => {
  const store = new Unconditional()
  const refused = { code: 'STORE_CONDITIONS', message: expect.stringContaining(store.url) as string }
  await expect(allocateVersion(store, draft)).rejects.toMatchObject(refused)
  await expect(changeLatest(store, 'pets', () => undefined)).rejects.toMatchObject(refused)
  await expect(new ScheduleStore(store).id()).rejects.toMatchObject(refused)
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  expect(keys).toEqual([])
  expect((await allocateVersion(new MemoryStore(), draft)).version).toBe(1)
})
