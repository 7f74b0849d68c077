import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBroker } from '../connect.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-kept-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('gives the job of a process that is gone to the next one at once, whatever its lock says', async () => {
  const directory = join(folder, 'queue')
  const first = await openBroker('embedded', { directory })
  await first.queue<string>('parts').add('part', 'pixels', { jobId: 'part-1' })
  // A processor that never ends: the closing below leaves its claim behind, as a killed process does.
  await new Promise<void>(taken => {
    first.worker<string>('parts', async () => {
      taken()
      await new Promise(() => undefined)
    })
  })
  await first.close(0)

  const second = await openBroker('embedded', { directory })
  const data = await new Promise(done => {
    second.worker<string>('parts', async job => done(job.data))
  })
  expect(data).toBe('pixels')
  await second.close()
})

it('sets a folder aside that the database cannot open, and says where it is', async () => {
  const directory = join(folder, 'broken')
  await (await openBroker('embedded', { directory })).close()
  await writeFile(join(directory, 'PG_VERSION'), 'none\n')
  const errors: string[] = []
  const broker = await openBroker('embedded', { directory, onError: error => void errors.push(error.message) })
  await broker.queue<string>('parts').add('part', 'pixels')
  expect(await broker.counts('parts')).toMatchObject({ waiting: 1 })
  await broker.close()
  expect(errors).toEqual([expect.stringContaining('cannot be opened')])
  expect(await readdir(folder)).toContainEqual(expect.stringMatching(/^broken\.unreadable-\d+$/))
})
