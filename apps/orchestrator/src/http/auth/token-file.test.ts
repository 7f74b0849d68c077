import { chmod, chown, link, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createToken, readTokens, removeToken } from './token-file.js'
import { openTokens } from './token-store.js'

const isRoot = process.getuid?.() === 0
let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermill-tokens-'))
  file = path.join(folder, 'tokens.jsonl')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const add = async (name: string): Promise<string> => (await createToken(file, { name, scopes: ['read'] })).token
const names = async (): Promise<string[]> => (await readTokens(file)).map(token => token.name)

describe('removing a token', () => {
  it('keeps the file itself, its owner and its permissions', async () => {
    for (const name of ['first', 'second', 'third']) await add(name)
    await chmod(file, 0o640)
    // Only root may give a file to another user; for others the owner is who they are.
    if (isRoot) await chown(file, 1000, 1001)
    const before = await stat(file)
    expect(await removeToken(file, 'second')).toBe(true)
    const { ino, uid, gid, mode } = await stat(file)
    expect([ino, uid, gid, mode]).toEqual([before.ino, before.uid, before.gid, before.mode])
    if (isRoot) expect([uid, gid]).toEqual([1000, 1001])
    expect(await names()).toEqual(['first', 'third'])
  })

  it('leaves no trace of its hash, and comments, empty lines and other tokens as they are', async () => {
    const first = '# Ärzte und Pflege\n\n'
    await writeFile(file, first)
    await add('anna')
    await add('ben')
    const [anna, ben] = (await readFile(file, 'utf8')).slice(first.length).trimEnd().split('\n')
    expect(await removeToken(file, 'anna')).toBe(true)
    const text = await readFile(file, 'utf8')
    expect(text).toBe(`${first}${' '.repeat(Buffer.byteLength(anna!) + 1)}${ben}\n`)
    expect(text).not.toContain((JSON.parse(anna!) as { sha256: string }).sha256)
    expect(await removeToken(file, 'anna')).toBe(false)
    await add('anna')
    expect(await names()).toEqual(['ben', 'anna'])
  })

  it('works on the last line without its newline, and on lines with spaces around', async () => {
    await add('anna')
    await add('ben')
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^/gm, '  ').trimEnd())
    expect(await removeToken(file, 'ben')).toBe(true)
    expect(await names()).toEqual(['anna'])
    expect(await removeToken(file, 'anna')).toBe(true)
    expect(await names()).toEqual([])
  })

  it('counts at once for a server that has the file by another way, as behind a mount of this one file', async () => {
    const token = await add('lost')
    const kept = await add('kept')
    // A hard link is what a bind mount of one file is: it goes on showing the file, whatever its first name leads to.
    const mounted = path.join(folder, 'mounted')
    await link(file, mounted)
    const store = await openTokens(mounted, () => {})
    expect(await store.verify(token)).toEqual({ name: 'lost', scopes: ['read'] })
    await removeToken(file, 'lost')
    expect(await store.verify(token)).toBeUndefined()
    expect(await store.verify(kept)).toEqual({ name: 'kept', scopes: ['read'] })
    const added = await add('added')
    expect(await store.verify(added)).toEqual({ name: 'added', scopes: ['read'] })
  })

  it('says so where the file cannot be changed', async () => {
    await add('anna')
    const there = path.join(folder, 'missing', 'tokens.jsonl')
    await expect(createToken(there, { name: 'a', scopes: ['read'] })).rejects.toMatchObject({ code: 'TOKENS_UNWRITABLE' })
    // Root may write what is read-only.
    if (isRoot) return
    await chmod(file, 0o400)
    await expect(removeToken(file, 'anna')).rejects.toMatchObject({ code: 'TOKENS_UNWRITABLE' })
    await expect(createToken(file, { name: 'b', scopes: ['read'] })).rejects.toMatchObject({ code: 'TOKENS_UNWRITABLE' })
  })
})

it('a new file is its owner’s only, and as root that of the owner of its folder', async () => {
  if (isRoot) await chown(folder, 1000, 1000)
  await add('anna')
  const { uid, gid, mode } = await stat(file)
  const parent = await stat(folder)
  expect(mode & 0o777).toBe(0o600)
  expect([uid, gid]).toEqual([parent.uid, parent.gid])
})

describe('a file that another program replaces', () => {
  const replace = async (text: string): Promise<void> => {
    const next = path.join(folder, 'next')
    await writeFile(next, text)
    await rename(next, file)
  }

  it('counts from the next request on where its folder is what the server has', async () => {
    const anna = await add('anna')
    const ben = await add('ben')
    const store = await openTokens(file, () => {})
    const lines = (await readFile(file, 'utf8')).split('\n')
    await replace(`${lines[1]}\n`)
    expect(await store.verify(anna)).toBeUndefined()
    expect(await store.verify(ben)).toEqual({ name: 'ben', scopes: ['read'] })
  })

  it('counts for every request that began after it, however many ask at once', async () => {
    const anna = await add('anna')
    await add('ben')
    const store = await openTokens(file, () => {})
    for (let round = 0; round < 20; round++) {
      const whole = await readFile(file, 'utf8')
      const early = Array.from({ length: 8 }, () => store.verify(anna))
      await replace(whole.slice(whole.indexOf('\n') + 1))
      const late = Array.from({ length: 8 }, () => store.verify(anna))
      await Promise.all(early)
      expect(await Promise.all(late)).toEqual(Array(8).fill(undefined))
      await replace(whole)
      expect(await store.verify(anna)).toBeDefined()
    }
  })

  it('is said where the server has a mount of one file, which does not show the new one', async () => {
    // Only Linux shows files that have no name any more.
    if (process.platform !== 'linux') return
    const anna = await add('anna')
    // Such a mount shows a file without a name once the name leads elsewhere.
    const handle = await open(file)
    const warnings: string[] = []
    const store = await openTokens(`/proc/self/fd/${handle.fd}`, text => warnings.push(text))
    await replace('')
    expect(await store.verify(anna)).toBeDefined()
    expect(warnings).toEqual([expect.stringMatching(/was replaced by another file.*Mount its folder/)])
    await store.verify(anna)
    expect(warnings).toHaveLength(1)
    await handle.close()
  })
})
