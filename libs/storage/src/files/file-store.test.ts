import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../open.js'
import { storeContract } from '../testing/store-contract.js'
import { FileStore } from './file-store.js'
import { scratchFolder, withLock, Writer } from './writers.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-store-'))
})
afterEach(async () => rm(folder, { recursive: true, force: true }))

storeContract('file', async () => {
  const root = join(await mkdtemp(join(folder, 'contract-')), 'made by the first write')
  return { store: new FileStore(root), again: async () => new FileStore(root) }
})

async function keys(store: FileStore): Promise<string[]> {
  const found: string[] = []
  for await (const entry of store.list('')) found.push(entry.key)
  return found
}

describe('openStore', () => {
  it('opens plain paths and file URLs on the same place', async () => {
    const byPath = openStore(folder)
    await byPath.put('a b', 'x')
    expect(await openStore(byPath.url).stat('a b')).toMatchObject({ bytes: 1 })
    expect(() => openStore('ftp://host/x')).toThrow(expect.objectContaining({ code: 'STORE_URL' }) as Error)
    expect(() => openStore('')).toThrow(expect.objectContaining({ code: 'STORE_URL' }) as Error)
  })
})

describe('symbolic links', () => {
  it('does not list them and refuses keys that leave the root through one', async () => {
    const root = join(folder, 'root')
    await mkdir(root)
    await mkdir(join(folder, 'outside'))
    await writeFile(join(folder, 'outside', 'secret'), 'secret')
    await symlink(join(folder, 'outside'), join(root, 'out'))
    await symlink(join(folder, 'outside', 'secret'), join(root, 'file'))
    await symlink(root, join(root, 'loop'))
    const store = new FileStore(root)
    await store.put('own', 'x')
    expect(await keys(store)).toEqual(['own'])
    const refusal = expect.objectContaining({ code: 'KEY_INVALID' }) as unknown
    await expect(store.get('out/secret')).rejects.toEqual(refusal)
    await expect(store.get('file')).rejects.toEqual(refusal)
    await expect(store.put('out/new', 'x')).rejects.toEqual(refusal)
    await expect(store.put('out/deep/new', 'x')).rejects.toEqual(refusal)
    await expect(store.delete('out/secret')).rejects.toEqual(refusal)
    expect(await readdir(join(folder, 'outside'))).toEqual(['secret'])
  })

  it('takes a root that is itself a link', async () => {
    await mkdir(join(folder, 'real'))
    await symlink(join(folder, 'real'), join(folder, 'link'))
    const store = new FileStore(join(folder, 'link'))
    await store.put('a/b', 'x')
    expect(await keys(store)).toEqual(['a/b'])
    expect(await readFile(join(folder, 'real', 'a', 'b'), 'utf8')).toBe('x')
  })
})

describe('writers that die', () => {
  it('ignores and clears their scratch files and locks, and keeps those of the living', async () => {
    const store = new FileStore(folder)
    const writer = new Writer()
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    await mkdir(join(folder, scratchFolder))
    const dead = `${writer.machine}.${child.pid}.1.1.abc`
    await writeFile(join(folder, scratchFolder, dead), 'half')
    await writeFile(join(folder, scratchFolder, 'lock-dead'), `${writer.machine}.${child.pid}.1`)
    // The same pid started at another time is another process.
    await writeFile(join(folder, scratchFolder, `${writer.machine}.${process.pid}.1.1.reused`), 'half')
    await writeFile(join(folder, scratchFolder, writer.scratchName()), 'being written')
    await writeFile(join(folder, scratchFolder, 'another-machine.1.1.1.abc'), 'being written')
    expect(await keys(store)).toEqual([])
    await store.put('file', 'x')
    const left = await readdir(join(folder, scratchFolder))
    expect(left).toHaveLength(2)
    expect(left).toContain('another-machine.1.1.1.abc')
    expect(await keys(store)).toEqual(['file'])
  })

  it('clears its own scratch file and lock that were away when it was done with them, as on a disk that is mounted over', async () => {
    const store = new FileStore(folder)
    await store.put('first', 'x')
    const away = join(await mkdtemp(join(tmpdir(), 'layermill-away-')), 'scratch')
    const scratch = join(folder, scratchFolder)
    async function* goingAway(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      await rename(scratch, away)
    }
    await expect(store.putStream('second', goingAway())).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) as string })
    await rename(away, scratch)
    expect(await readdir(scratch)).toHaveLength(1)
    await expect(withLock(folder, 'key', new Writer(), () => rename(scratch, away))).resolves.toBeUndefined()
    await rename(away, scratch)
    expect(await readdir(scratch)).toHaveLength(2)
    await store.put('third', 'x')
    await store.close()
    expect(await readdir(folder)).toEqual(['first', 'third'])
  })

  it('leaves no scratch folder when all is written', async () => {
    const store = new FileStore(folder)
    await store.put('a', 'x')
    await store.put('a', 'y', { ifMatch: (await store.stat('a'))?.etag })
    await store.close()
    expect(await readdir(folder)).toEqual(['a'])
  })

  it('never shows half a file when a writer is killed', async () => {
    const script = `
      import { FileStore } from ${JSON.stringify(new URL('../../dist/files/file-store.js', import.meta.url).href)}
      const store = new FileStore(${JSON.stringify(folder)})
      for (let round = 1; ; round++) {
        await store.put('file', new Uint8Array(1 << 22).fill(round % 250 + 1))
        process.stdout.write('.')
      }`
    for (let kill = 0; kill < 5; kill++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      await once(child, 'exit')
      const bytes = (await new FileStore(folder).get('file')) ?? new Uint8Array()
      expect(bytes.byteLength).toBe(1 << 22)
      expect(bytes.every(byte => byte === bytes[0])).toBe(true)
    }
    const store = new FileStore(folder)
    await store.put('other', 'x')
    await store.close()
    expect((await readdir(folder)).sort()).toEqual(['file', 'other'])
  })
})

describe('what is in the way', () => {
  it('names a folder where a file should be, and a file where a folder should be', async () => {
    const store = new FileStore(folder)
    await store.put('a/b', 'x')
    const refusal = expect.objectContaining({ code: 'KEY_INVALID' }) as unknown
    await expect(store.put('a', 'x')).rejects.toEqual(refusal)
    await expect(store.put('a/b/c', 'x')).rejects.toEqual(refusal)
    await expect(store.put(`${scratchFolder}/x`, 'x')).rejects.toEqual(refusal)
  })
})

describe('the scratch folder', () => {
  it('may be taken away by others at any moment', async () => {
    const store = new FileStore(folder)
    let writing = true
    // Others who come and go: each removes it when it comes and when it goes, where it is empty.
    const others = Array.from({ length: 4 }, async (_, other) => {
      while (writing) {
        const visitor = new FileStore(folder)
        await visitor.put(`visitor${other}`, 'x')
        await visitor.close()
      }
    })
    try {
      for (let i = 0; i < 120; i++) await store.put(`file${i % 10}`, String(i))
    } finally {
      writing = false
      await Promise.all(others)
    }
    expect(await readFile(join(folder, 'file9'), 'utf8')).toBe('119')
  })
})
