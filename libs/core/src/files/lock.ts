import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '../errors/errors.js'

export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** How often the holder shows that it lives. */
  readonly heartbeatMs?: number
  /** After this long without a sign the lock is taken from its holder. A holder that died on this machine loses it much earlier. */
  readonly staleMs?: number
  readonly pollMs?: number
  /** Called once when the lock is another's. */
  readonly onWait?: () => void
}

interface Holder {
  readonly token: string
  readonly pid: number
  readonly host: string
}

async function readHolder(path: string): Promise<{ text: string; holder: Holder | undefined; age: number } | undefined> {
  try {
    const [text, stats] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    return { text, holder: parseHolder(text), age: Date.now() - stats.mtimeMs }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Undefined for what is not a holder: a lock that a failing disk left empty, say. */
function parseHolder(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

/**
 * Moves a stale lock away. Between looking and moving it another may have replaced it: what was moved is looked at again, and a
 * fresh one is put back (unless a third has taken the place meanwhile, which its holder then notices at the next heartbeat).
 */
async function removeStale(path: string, expected: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  try {
    if ((await readFile(aside, 'utf8')) !== expected) await link(aside, path).catch(() => undefined)
  } finally {
    await rm(aside, { force: true })
  }
}

async function tryAcquire(path: string, holder: Holder): Promise<boolean> {
  // Written beside and linked into place: nobody sees a lock without its holder.
  const draft = `${path}.${holder.token}`
  const handle = await open(draft, 'wx')
  try {
    await handle.writeFile(JSON.stringify(holder))
  } finally {
    await handle.close()
  }
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Runs `work` while holding the lock file `path`; waits until it is free. A lock whose holder died is taken over: at once after
 * three heartbeats when it died on this machine, after `staleMs` otherwise. `work` is told by its signal if the lock is lost.
 */
export async function withLock<T>(path: string, options: LockOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, heartbeatMs = 2000, staleMs = 30_000, pollMs = 200, onWait } = options
  const holder: Holder = { token: randomUUID(), pid: process.pid, host: hostname() }
  await mkdir(dirname(path), { recursive: true })
  let waited = false
  while (!(await tryAcquire(path, holder))) {
    signal?.throwIfAborted()
    if (!waited) onWait?.()
    waited = true
    const other = await readHolder(path)
    if (other === undefined) continue
    const died = other.holder?.host === holder.host && !isAlive(other.holder.pid)
    if (other.age > (died ? 3 * heartbeatMs : staleMs)) await removeStale(path, other.text)
    else await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }
  const lost = new AbortController()
  const beat = async (): Promise<void> => {
    if ((await readHolder(path))?.holder?.token !== holder.token) lost.abort(new Error(`the lock ${path} was taken by another process`))
    else await utimes(path, new Date(), new Date())
  }
  const timer = setInterval(() => void beat().catch(() => undefined), heartbeatMs)
  try {
    return await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]))
  } finally {
    clearInterval(timer)
    if ((await readHolder(path))?.holder?.token === holder.token) await rm(path, { force: true })
  }
}
