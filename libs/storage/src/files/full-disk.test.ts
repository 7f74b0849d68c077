import type * as FileSystem from 'node:fs/promises'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FileStore } from './file-store.js'

const room = vi.hoisted(() => ({ bytes: Infinity, fail: 'ENOSPC' }))

// A disk that takes only so many more bytes: the write that crosses the limit is short, the next one fails, as on a real one.
vi.mock('node:fs/promises', async original => {
  const real = await original<typeof FileSystem>()
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      const file = await real.open(...args)
      if (args[1] !== 'wx') return file
      const write = file.write.bind(file) as (data: Uint8Array, offset: number, length: number) => Promise<{ bytesWritten: number }>
      const limited = async (data: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }> => {
        if (room.bytes === 0) throw Object.assign(new Error(`${room.fail}: write`), { code: room.fail })
        const result = await write(data, offset, Math.min(length, room.bytes))
        room.bytes -= result.bytesWritten
        return result
      }
      return Object.assign(file, { write: limited })
    },
  }
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-full-'))
  room.bytes = Infinity
})
afterEach(async () => rm(folder, { recursive: true, force: true }))

it.each(['ENOSPC', 'EDQUOT', 'EFBIG'])('says STORE_FULL on %s, keeps the old file and leaves nothing half written', async code => {
  const store = new FileStore(folder)
  await store.put('features/part', 'old')
  room.bytes = 1000
  room.fail = code
  const error = store.put('features/part', new Uint8Array(5000))
  await expect(error).rejects.toMatchObject({ code: 'STORE_FULL', message: expect.stringContaining('features/part') as string })
  room.bytes = Infinity
  expect(Buffer.from((await store.get('features/part')) ?? []).toString()).toBe('old')
  await store.close()
  expect(await readdir(folder)).toEqual(['features'])
  await store.put('features/part', 'new')
  expect(Buffer.from((await store.get('features/part')) ?? []).toString()).toBe('new')
})
