import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBroker } from '../connect.js'
import { lockFolder } from './folder-lock.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-lock-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

it('lets one in at a time', async () => {
  const unlock = await lockFolder(join(folder, 'a'))
  await expect(lockFolder(join(folder, 'a'))).rejects.toMatchObject({ code: 'QUEUE_LOCKED' })
  const other = await lockFolder(join(folder, 'b'))
  await unlock()
  await (
    await lockFolder(join(folder, 'a'))
  )()
  await other()
})

it('keeps an embedded queue in a folder, for one broker at a time', async () => {
  const directory = join(folder, 'queue')
  const first = await openBroker(undefined, { directory })
  expect(first.describe()).toBe(`embedded (${directory})`)
  await expect(openBroker(undefined, { directory })).rejects.toMatchObject({ code: 'QUEUE_LOCKED' })
  await first.queue<{ i: number }>('kept').add('part', { i: 1 })
  expect(await first.close()).toEqual({ clean: true, unfinished: [] })
  const second = await openBroker('embedded', { directory })
  expect((await second.queue<{ i: number }>('kept').getWaiting()).map(job => job.data)).toEqual([{ i: 1 }])
  await second.close()
})
