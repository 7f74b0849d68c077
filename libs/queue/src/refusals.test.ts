import type { IQueueBackend } from 'bullmq'
import { describe, expect, it, vi } from 'vitest'
import { deniedCommand, isElsewhere, isRefusal, patientBackend, patiently, refusalDelay } from './refusals.js'

const open = new AbortController().signal

describe('refusals', () => {
  it.each([
    "READONLY You can't write against a read only replica.",
    "READONLY You can't write against a read only replica. script: 1f2e, on @user_script:1.",
    'LOADING Redis is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    'NOREPLICAS Not enough good replicas to write.',
    "OOM command not allowed when used memory > 'maxmemory'.",
    'CLUSTERDOWN The cluster is down',
  ])('%s', text => {
    expect(isRefusal(new Error(text))).toBe(true)
    expect(isElsewhere(new Error(text))).toBe(/^(READONLY|LOADING|MASTERDOWN)/.test(text))
  })

  it.each(['ERR unknown command', 'WRONGTYPE Operation against a key', 'Connection is closed.', 'NOPERM this user'])('%s is none', text => {
    expect(isRefusal(new Error(text))).toBe(false)
  })

  it("knows PostgreSQL's by their codes", () => {
    for (const code of ['25006', '53100', '53300', '57P03']) expect(isRefusal(Object.assign(new Error('no'), { code })), code).toBe(true)
    expect(isRefusal(Object.assign(new Error('no'), { code: '23505' }))).toBe(false)
  })

  it('waits longer each time, up to five seconds and a half as much again', () => {
    const delays = Array.from({ length: 12 }, (_, i) => refusalDelay(i + 1, () => 0))
    expect(delays.slice(0, 6)).toEqual([100, 200, 400, 800, 1600, 3200])
    expect(Math.max(...delays)).toBe(5000)
    expect(refusalDelay(30, () => 1)).toBe(7500)
  })

  it('names the command that is not allowed', () => {
    expect(deniedCommand(new Error("NOPERM this user has no permissions to run the 'config|get' command"))).toMatchObject({
      code: 'QUEUE_DENIED',
      message: expect.stringContaining('CONFIG GET') as string,
    })
    expect(deniedCommand(new Error('ERR no'))).toBeUndefined()
  })
})

describe('patience', () => {
  it('tries again what was refused, and nothing else', async () => {
    const onRefused = vi.fn<() => void>()
    let calls = 0
    const answer = await patiently(() => (++calls < 3 ? Promise.reject(new Error('READONLY no')) : Promise.resolve(calls)), {
      signal: open,
      onRefused,
    })
    expect(answer).toBe(3)
    expect(onRefused).toHaveBeenCalledTimes(2)
    await expect(patiently(() => Promise.reject(new Error('ERR no')), { signal: open, onRefused })).rejects.toThrow('ERR no')
  })

  it('ends with the refusal when the queue is closed', async () => {
    const closing = new AbortController()
    const ended = patiently(() => Promise.reject(new Error('MISCONF no')), { signal: closing.signal, onRefused: () => closing.abort() })
    await expect(ended).rejects.toThrow('MISCONF')
  })

  it('of a backend covers what it is asked, and reports of asking for jobs', async () => {
    let refuse = 1
    const target = {
      keys: { a: 1 },
      addJob: () => (refuse-- > 0 ? Promise.reject(new Error('OOM command not allowed when used memory')) : Promise.resolve('id')),
      moveToActive: () => Promise.reject(new Error('OOM command not allowed when used memory')),
      toKey: (name: string) => `k:${name}`,
    }
    const backend = patientBackend(target as unknown as IQueueBackend, { signal: open, onRefused: () => undefined })
    expect(backend.toKey('x')).toBe('k:x')
    expect(await backend.addJob({} as never, 'a')).toBe('id')
    const started = performance.now()
    await expect(backend.moveToActive('token')).rejects.toThrow('OOM')
    expect(performance.now() - started).toBeGreaterThan(90)
  })
})
