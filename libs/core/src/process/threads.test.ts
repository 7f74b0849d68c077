import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cgroupProcessors, computeThreads } from './threads.js'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'layermill-cgroup-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function files(texts: Record<string, string>): void {
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), `${text}\n`)
  }
}

const threads = (env: Record<string, string> = {}): number => computeThreads({ env, parallelism: 64, root })

describe('the limit of control groups, version 2', () => {
  it.each([
    ['max 100000', Number.POSITIVE_INFINITY],
    ['400000 100000', 4],
    ['50000 100000', 0.5],
    ['250000 100000', 2.5],
    ['150000', 1.5],
    ['', Number.POSITIVE_INFINITY],
  ])('cpu.max of %j', (text, expected) => {
    files({ 'proc/self/cgroup': '0::/', 'sys/fs/cgroup/cpu.max': text })
    expect(cgroupProcessors(root)).toBe(expected)
  })

  it('the lowest of the group and those above it counts', () => {
    files({
      'proc/self/cgroup': '0::/user.slice/app.scope/inner',
      'sys/fs/cgroup/user.slice/cpu.max': '300000 100000',
      'sys/fs/cgroup/user.slice/app.scope/cpu.max': '800000 100000',
      'sys/fs/cgroup/user.slice/app.scope/inner/cpu.max': 'max 100000',
    })
    expect(cgroupProcessors(root)).toBe(3)
  })

  it('in a container that names the groups as they are outside', () => {
    files({ 'proc/self/cgroup': '0::/../../kubepods/pod1', 'sys/fs/cgroup/cpu.max': '200000 100000' })
    expect(cgroupProcessors(root)).toBe(2)
  })
})

describe('the limit of control groups, version 1', () => {
  it.each(['cpu,cpuacct', 'cpu'])('where %s is mounted', mount => {
    files({
      'proc/self/cgroup': '11:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/',
      [`sys/fs/cgroup/${mount}/cpu.cfs_quota_us`]: '350000',
      [`sys/fs/cgroup/${mount}/cpu.cfs_period_us`]: '100000',
    })
    expect(cgroupProcessors(root)).toBe(3.5)
  })

  it('-1 is no limit, and one above counts', () => {
    files({
      'proc/self/cgroup': '1:cpu:/docker/1',
      'sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us': '-1',
      'sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us': '100000',
    })
    expect(cgroupProcessors(root)).toBe(Number.POSITIVE_INFINITY)
    files({ 'sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us': '25000', 'sys/fs/cgroup/cpu/docker/cpu.cfs_period_us': '50000' })
    expect(cgroupProcessors(root)).toBe(0.5)
  })

  it('limits of other controllers are not taken for it', () => {
    files({
      'proc/self/cgroup': '2:cpuacct:/\n3:cpuset:/',
      'sys/fs/cgroup/cpuacct/cpu.cfs_quota_us': '100000',
      'sys/fs/cgroup/cpuacct/cpu.cfs_period_us': '100000',
    })
    expect(cgroupProcessors(root)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('threads that compute', () => {
  it('are the processors where nothing limits them, also where the system has no control groups', () => {
    expect(threads()).toBe(64)
    expect(computeThreads({ env: { LAYERMILL_THREADS: '' }, parallelism: 3, root })).toBe(3)
  })

  it('are the limit rounded up, at least one, and never more than the processors', () => {
    for (const [text, expected] of [
      ['250000 100000', 3],
      ['10000 100000', 1],
      ['12800000 100000', 64],
    ] as const) {
      files({ 'proc/self/cgroup': '0::/', 'sys/fs/cgroup/cpu.max': text })
      expect(threads()).toBe(expected)
    }
  })

  it('are what LAYERMILL_THREADS says before anything else', () => {
    files({ 'proc/self/cgroup': '0::/', 'sys/fs/cgroup/cpu.max': '200000 100000' })
    expect(threads({ LAYERMILL_THREADS: '7' })).toBe(7)
    expect(threads({ LAYERMILL_THREADS: ' 128 ' })).toBe(128)
    for (const text of ['0', '-1', '2.5', 'four', '2000', '1e2']) {
      expect(() => threads({ LAYERMILL_THREADS: text })).toThrow(
        expect.objectContaining({ code: 'ENGINE_THREADS', message: expect.stringContaining(JSON.stringify(text)) as string }),
      )
    }
  })
})
