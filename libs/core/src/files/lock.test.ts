import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withLock } from './lock.js'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-lock-'))
  path = join(folder, 'deep', '.lock')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const quick = { heartbeatMs: 20, staleMs: 10_000, pollMs: 2 }
const old = new Date(Date.now() - 60_000)

async function leaveLock(holder: object | string, modified: Date): Promise<void> {
  await withLock(path, quick, () => Promise.resolve())
  await writeFile(path, typeof holder === 'string' ? holder : JSON.stringify(holder))
  await utimes(path, modified, modified)
}

describe('withLock', () => {
  it('lets one in at a time and leaves nothing behind', async () => {
    let inside = 0
    let most = 0
    let waited = 0
    const visit = (): Promise<void> =>
      withLock(path, { ...quick, onWait: () => waited++ }, async () => {
        most = Math.max(most, ++inside)
        await new Promise(resolve => setImmediate(resolve))
        inside--
      })
    await Promise.all(Array.from({ length: 8 }, visit))
    expect(most).toBe(1)
    expect(waited).toBeGreaterThan(0)
    expect(await readdir(join(folder, 'deep'))).toEqual([])
  })

  it('releases after a failure', async () => {
    await expect(withLock(path, quick, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await withLock(path, quick, () => Promise.resolve('in'))).toBe('in')
  })

  it('takes over from a process of this machine that died', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    await leaveLock({ token: 'x', pid, host: hostname() }, new Date(Date.now() - 1000))
    expect(await withLock(path, quick, () => Promise.resolve('in'))).toBe('in')
  })

  it('takes over a lock without a sign of life, whoever holds it and whatever is in it', async () => {
    for (const holder of [{ token: 'x', pid: 1, host: 'elsewhere' }, '{"tok', '']) {
      await leaveLock(holder, old)
      expect(await withLock(path, quick, () => Promise.resolve('in'))).toBe('in')
    }
  })

  it('waits for one that lives, until told to stop', async () => {
    await leaveLock({ token: 'x', pid: 1, host: 'elsewhere' }, new Date())
    const controller = new AbortController()
    const waiting = withLock(path, { ...quick, signal: controller.signal, onWait: () => controller.abort(new Error('enough')) }, () =>
      Promise.resolve(),
    )
    await expect(waiting).rejects.toThrow('enough')
  })

  it('shows that it lives, and tells its work when the lock was taken away', async () => {
    const reason = await withLock(path, quick, async signal => {
      await writeFile(path, JSON.stringify({ token: 'thief', pid: 1, host: 'elsewhere' }))
      return new Promise<unknown>(resolve => {
        signal.addEventListener('abort', () => resolve(signal.reason))
      })
    })
    expect(String(reason)).toMatch(/taken by another process/)
    expect(await readdir(join(folder, 'deep'))).toEqual(['.lock'])
  })
})
