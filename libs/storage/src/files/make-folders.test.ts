import { mkdir, mkdtemp, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolders } from './make-folders.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'make-folders-'))
})
afterAll(() => rm(root, { recursive: true }))

const missing = (): Error => Object.assign(new Error('no such file or directory'), { code: 'ENOENT' })

describe('makeFolders', () => {
  it('makes what is missing and says where it began', async () => {
    expect(await makeFolders(join(root, 'a/b/c'))).toBe(join(root, 'a'))
    expect(await makeFolders(join(root, 'a/b/d/e'))).toBe(join(root, 'a/b/d'))
    expect(await makeFolders(join(root, 'a/b/c'))).toBeUndefined()
    expect((await stat(join(root, 'a/b/d/e'))).isDirectory()).toBe(true)
  })

  it('ends, with a code, where the file system says that the folder above is missing although it is there', async () => {
    let calls = 0
    const make = (): Promise<never> => {
      calls += 1
      return Promise.reject(missing())
    }
    await expect(makeFolders(join(root, 'x/y/z'), make)).rejects.toMatchObject({
      code: 'STORE_DENIED',
      message: expect.stringContaining(join(root, 'x/y/z')),
    })
    expect(calls).toBeLessThan(50)
  })

  it('goes on where others make or take away the same folders', async () => {
    let taken = false
    const make = async (path: string): Promise<void> => {
      // One above it goes, once, as a scratch folder does.
      if (!taken && path.endsWith('/inner')) {
        taken = true
        await rmdir(dirname(path))
        throw missing()
      }
      await mkdir(path)
    }
    await makeFolders(join(root, 'shared/inner'), make)
    expect((await stat(join(root, 'shared/inner'))).isDirectory()).toBe(true)
    const many = await Promise.all(Array.from({ length: 20 }, () => makeFolders(join(root, 'm/n/o'))))
    expect(many.some(first => first !== undefined)).toBe(true)
  })

  it("keeps the system's error where a file is in the way", async () => {
    await writeFile(join(root, 'file'), '')
    await expect(makeFolders(join(root, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })
})
