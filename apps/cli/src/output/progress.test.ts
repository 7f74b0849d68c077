import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { written } from './testing/written.js'
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
  const lines = written(stream).trim().split('\n')
  expect(lines).toHaveLength(3)
  expect(lines[1]).toContain('160/200 images · 10 images/s · 4.0 s left')
})

it('counts for the rate what is computed, and fills the bar once all images are known', () => {
  let time = 0
  const stream = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
  const progress = new Progress({ stream, now: () => time, lineInterval: 1000 })
  for (const [at, done, kept, total, planned] of [
    [0, 0, 0, 100, false],
    // A hundred kept images, and those that are computed from then on.
    [1000, 100, 100, 100, false],
    [2000, 100, 100, 140, true],
    [3000, 110, 100, 140, true],
    [6000, 140, 100, 140, true],
  ] as const) {
    time = at
    progress.update({ done, failed: 0, total, planned, kept })
  }
  const lines = written(stream).trim().split('\n')
  expect(lines[1]).toMatch(/█░+ 100\/100\+ images · 0\.0 images\/s/)
  expect(lines.at(-1)).toMatch(/^█{24} 140\/140 images · 10 images\/s/)
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
  expect(written(stream)).toContain('30/40 images')
})

it('fits the terminal, and leaves out first what matters least', () => {
  const state = { done: 1250, failed: 3, total: 12_000, planned: true, cached: 900 }
  for (const columns of [20, 30, 40, 50, 60, 80, 120]) {
    const line = progressLine(state, 48, columns)
    expect(line.length).toBeLessThan(columns)
    expect(line).toContain('1,250/12,000')
  }
  expect(progressLine(state, 48, 50)).toBe('1,250/12,000 · 3 min 44 s left · 3 failed')
  expect(progressLine({ ...state, cached: 0, failed: 0 }, 48, 50)).toContain('left')
})

it('gives no time left before the work is steady: the first batch warms up', () => {
  let time = 0
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 50 }) as unknown as NodeJS.WriteStream
  const progress = new Progress({ stream, now: () => time })
  const drawn: string[] = []
  for (const [at, done] of [
    [0, 0],
    [20_000, 8],
    [20_500, 16],
    [23_000, 68],
  ] as const) {
    time = at
    progress.update({ done, failed: 0, total: 2000, planned: true })
    drawn.push(written(stream).replace('\r\u001b[2K', ''))
  }
  expect(drawn.slice(0, 3).join('')).not.toContain('left')
  // 60 images in the 3 seconds since the first batch.
  expect(drawn[3]).toContain('20 images/s · 1 min 37 s left')
  for (const line of drawn) expect(line.length).toBeLessThan(50)
})
