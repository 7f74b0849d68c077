import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { writeAll, writeAtomically } from './atomic.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-atomic-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('makes the folder, replaces the file as a whole, and leaves nothing beside it', async () => {
  const path = join(folder, 'a', 'b.txt')
  await writeAtomically(path, handle => writeAll(handle, Buffer.from('old')))
  await writeAtomically(path, async handle => {
    await writeAll(handle, Buffer.from('ne'))
    expect(await readFile(path, 'utf8')).toBe('old')
    await writeAll(handle, Buffer.from('w'))
  })
  expect(await readFile(path, 'utf8')).toBe('new')
  expect(await readdir(join(folder, 'a'))).toEqual(['b.txt'])
})

it('leaves the old file, and nothing else, where the writing fails', async () => {
  const path = join(folder, 'b.txt')
  await writeAtomically(path, handle => writeAll(handle, Buffer.from('old')))
  const failing = writeAtomically(path, async handle => {
    await writeAll(handle, Buffer.from('new'))
    throw new Error('no more')
  })
  await expect(failing).rejects.toThrow('no more')
  expect(await readFile(path, 'utf8')).toBe('old')
  expect(await readdir(folder)).toEqual(['b.txt'])
})

it('gives the file its permissions from the start', async () => {
  const path = join(folder, 'secret')
  await writeAtomically(path, async handle => expect((await handle.stat()).mode & 0o777).toBe(0o600), { mode: 0o600 })
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})
