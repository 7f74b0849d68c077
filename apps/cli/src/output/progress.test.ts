import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { Progress, progressLine } from './progress.js'

it('shows done, total, rate, time left and failures', () => {
  const line = progressLine({ done: 250, failed: 3, total: 1000, planned: true }, 50)
  expect(line).toContain('250/1,000 images · 50 images/s · 15 s left · 3 failed')
  expect(line.startsWith('██████░')).toBe(true)
})

it('tells what the cache had', () => {
  expect(progressLine({ done: 250, failed: 3, total: 1000, planned: true, cached: 1200 }, 50)).toContain(
    '15 s left · 1,200 from the cache · 3 failed',
  )
})

it('marks a total that still grows and gives no time left for it', () => {
  expect(progressLine({ done: 1, failed: 0, total: 512, planned: false }, 2.5)).toMatch(/1\/512\+ images · 2\.5 images\/s$/)
})

it('leaves out what was done before from the rate, and writes few lines where there is no terminal', () => {
  let time = 0
  const stream = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
  const progress = new Progress({ stream, now: () => time, lineInterval: 5000 })
  for (const [at, done] of [
    [0, 100],
    [1000, 110],
    [6000, 160],
    [7000, 200],
  ] as const) {
    time = at
    progress.update({ done, failed: 0, total: 200, planned: true })
  }
  const lines = String(stream.read()).trim().split('\n')
  expect(lines).toHaveLength(3)
  expect(lines[1]).toContain('160/200 images · 10 images/s · 4.0 s left')
})

it('says nothing of what is done before its delay is over', () => {
  let time = 0
  const stream = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.WriteStream
  const progress = new Progress({ stream, now: () => time, delay: 2000 })
  for (const [at, done] of [
    [0, 10],
    [1999, 20],
  ] as const) {
    time = at
    progress.update({ done, failed: 0, total: 40, planned: true })
  }
  progress.finish()
  expect(stream.read()).toBeNull()
  time = 2000
  progress.update({ done: 30, failed: 0, total: 40, planned: true })
  expect(String(stream.read())).toContain('30/40 images')
})
