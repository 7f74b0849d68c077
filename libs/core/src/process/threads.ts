import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { LayermillError } from '../errors/errors.js'

/** Circumstances that say how many threads may compute; each defaults to this process's. */
export interface ThreadCircumstances {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Processors that this process may run on. */
  readonly parallelism?: number
  /** Folder that the kernel's `proc` and `sys` are in. */
  readonly root?: string
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** A folder of a group and those above it, up to the hierarchy's root: each may set a limit. */
function upwards(group: string): string[] {
  const names = group.split('/').filter(name => name !== '' && name !== '..')
  return names.map((_, i) => names.slice(0, names.length - i).join('/')).concat('')
}

/** Processors by a quota of microseconds in each period of microseconds; Infinity where there is no quota. */
function quotient(quota: string | undefined, period: string | undefined): number {
  const processors = Number(quota) / Number(period)
  return quota !== undefined && processors > 0 && Number.isFinite(processors) ? processors : Number.POSITIVE_INFINITY
}

/**
 * Processors that the control groups of this process may use at most (`cpu.max` of version 2, `cpu.cfs_quota_us` of version 1, of the group
 * and of those above it), which need not be whole; Infinity without a limit. In a container the groups are seen from its root, whatever
 * their names are outside.
 */
export function cgroupProcessors(root = '/'): number {
  const lines = (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')
  const limits = lines.flatMap(line => {
    const [, controllers, group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === '') {
      return upwards(group).map(name => {
        const [quota, period = '100000'] = (read(join(root, 'sys/fs/cgroup', name, 'cpu.max')) ?? '').split(' ')
        return quotient(quota === '' ? undefined : quota, period)
      })
    }
    if (controllers?.split(',').includes('cpu') !== true) return []
    return [controllers, 'cpu'].flatMap(mount =>
      upwards(group).map(name => {
        const folder = join(root, 'sys/fs/cgroup', mount, name)
        return quotient(read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us')))
      }),
    )
  })
  return Math.min(Number.POSITIVE_INFINITY, ...limits)
}

/**
 * Threads that compute: `LAYERMILL_THREADS`, else the processors that this process may run on, and no more than its control group's limit
 * rounded up. More threads than a limit allows would stand still, all of them, for a part of every period.
 * @returns a whole number, at least 1
 * @throws LayermillError `ENGINE_THREADS` where the variable is not a whole number from 1 to 1024
 */
export function computeThreads({ env = process.env, parallelism = availableParallelism(), root = '/' }: ThreadCircumstances = {}): number {
  const text = env['LAYERMILL_THREADS']?.trim() ?? ''
  if (text === '') return Math.max(1, Math.min(parallelism, Math.ceil(cgroupProcessors(root))))
  if (/^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= 1024) return Number(text)
  throw new LayermillError('ENGINE_THREADS', `LAYERMILL_THREADS: got ${JSON.stringify(text)}, expected a whole number from 1 to 1024`)
}
