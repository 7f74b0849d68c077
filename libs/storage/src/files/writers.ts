import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { link, readdir, readFile, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode, LayermillError } from '@layermill/core'
import { makeFolders } from './make-folders.js'

/** The folder under a store's root for files that are being written; there only while someone writes. */
export const scratchFolder = '.layermill-tmp'

/** Files of a writer that cannot be asked whether it lives (another machine on a shared disk) are left alone for this long. */
const foreignLifetimeMs = 24 * 60 * 60 * 1000

/** Names this process so that another one can tell whether it still lives: machine and process namespace, pid, start time. */
export class Writer {
  readonly machine: string
  readonly owner: string
  private count = 0

  constructor() {
    const boot = readOr('/proc/sys/kernel/random/boot_id', '')
    const namespace = linkOr('/proc/self/ns/pid', '')
    this.machine = createHash('sha256').update(`${hostname()}\n${boot}\n${namespace}`).digest('hex').slice(0, 16)
    this.owner = `${this.machine}.${process.pid}.${startTime(process.pid)}`
  }

  /** A name no other writer uses, in this process or another. */
  scratchName(): string {
    this.count += 1
    return `${this.owner}.${this.count}.${randomBytes(6).toString('hex')}`
  }

  /** Whether the process that made a scratch file or lock with this name may still need it. */
  mayLive(owner: string, modifiedMs: number): boolean {
    const [machine = '', pidText = '', started = ''] = owner.split('.')
    const pid = Number(pidText)
    if (machine !== this.machine || !Number.isInteger(pid) || pid <= 0) return Date.now() - modifiedMs < foreignLifetimeMs
    return processLives(pid) && startTime(pid) === started
  }
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return fallback
  }
}

function linkOr(path: string, fallback: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return fallback
  }
}

/** Clock ticks from boot to the process's start on Linux ('0' elsewhere): with the pid it names a process even when pids are used again. */
function startTime(pid: number): string {
  const text = readOr(`/proc/${pid}/stat`, '')
  // The second field is the command in parentheses and may itself hold spaces and parentheses.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
}

function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Scratch files and locks of this process that were not to be found when it was done with them, by path, and what such a lock says. */
const leftBehind = new Map<string, string | undefined>()

/**
 * Removes a scratch file, or a lock that says `owner`, of this process. One that is not there, as on a disk that is away for a moment, is
 * tried again by the store's next writes: no other process may take it for a dead writer's while this one lives.
 */
export async function removeOwn(path: string, owner?: string): Promise<void> {
  try {
    if (owner === undefined || (await readFile(path, 'utf8')) === owner) await unlink(path)
    leftBehind.delete(path)
  } catch {
    leftBehind.set(path, owner)
  }
}

/** Removes what this process had to leave behind below a store's root. */
export async function removeLeftBehind(root: string): Promise<void> {
  const folder = join(root, scratchFolder)
  for (const [path, owner] of leftBehind) if (dirname(path) === folder) await removeOwn(path, owner)
}

/** Removes what dead writers left in a store's scratch folder, and the folder itself where nothing is left in it. */
export async function sweepScratch(root: string, writer: Writer): Promise<void> {
  const folder = join(root, scratchFolder)
  await removeLeftBehind(root)
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const path = join(folder, name)
    const info = await stat(path).catch(() => undefined)
    const owner = name.startsWith('lock-') ? await readFile(path, 'utf8').catch(() => '') : name
    if (info !== undefined && !writer.mayLive(owner, info.mtimeMs)) await unlink(path).catch(() => undefined)
  }
  await rmdir(folder).catch(() => undefined)
}

/**
 * Runs `work` while this process holds the lock of one key: a file made with O_EXCL, taken over from writers that are dead.
 * Throws `STORE_BUSY` where a living writer keeps it for over a minute.
 */
export async function withLock<T>(root: string, key: string, writer: Writer, work: () => Promise<T>): Promise<T> {
  const path = join(root, scratchFolder, `lock-${createHash('sha256').update(key).digest('hex').slice(0, 32)}`)
  // Of this taking alone: what is removed late must not be a later taking's.
  const owner = writer.scratchName()
  const deadline = Date.now() + 60_000
  while (!(await takeLock(path, owner, writer))) {
    if (Date.now() > deadline) {
      throw new LayermillError('STORE_BUSY', `${join(root, key)}: another writer has held its lock for a minute`)
    }
    await sleep(5 + Math.random() * 20)
  }
  try {
    return await work()
  } finally {
    await removeOwn(path, owner)
  }
}

async function takeLock(path: string, owner: string, writer: Writer): Promise<boolean> {
  // Linked into place with its owner's name already in it: a lock never exists without one.
  const scratch = join(dirname(path), writer.scratchName())
  try {
    await makeFolders(dirname(path))
    await writeFile(scratch, owner, { flag: 'wx' })
    await link(scratch, path)
    return true
  } catch (error) {
    if (!['EEXIST', 'ENOENT'].includes(errorCode(error))) throw error
  } finally {
    await unlink(scratch).catch(() => undefined)
  }
  const holder = await readFile(path, 'utf8').catch(() => undefined)
  const info = await stat(path).catch(() => undefined)
  if (holder !== undefined && info !== undefined && !writer.mayLive(holder, info.mtimeMs)) await unlink(path).catch(() => undefined)
  return false
}
