import { expect, it } from 'vitest'
import { sayFailures } from './failures.js'

const rows = Array.from({ length: 12 }, (_, i) => ({ key: `${i}.jpg`, code: 'IMAGE_EMPTY', reason: 'no bytes' }))

function said(failed: number, json = false): unknown[] {
  const lines: unknown[] = []
  const output = {
    line: (text: string) => void lines.push(text),
    json: (value: unknown) => void lines.push(value),
    note: (text: string) => void lines.push(text),
  }
  sayFailures(output, { failed, rows: rows.slice(0, failed), where: 'all reasons are in out/errors/' }, json)
  return lines
}

it('names failed images with their reasons, ten at most, and says where the rest is', () => {
  expect(said(0)).toEqual([])
  expect(said(1)).toEqual(['1 image failed:\n  0.jpg: no bytes  [IMAGE_EMPTY]\n  (all reasons are in out/errors/)'])
  const [many] = said(12) as [string]
  expect(many.split('\n')).toHaveLength(13)
  expect(many).toMatch(/^12 images failed:\n {2}0\.jpg.*9\.jpg: no bytes {2}\[IMAGE_EMPTY\]\n {2}and 2 more\n/s)
  expect(said(12, true)).toEqual(rows.slice(0, 10).map(row => ({ event: 'failure', ...row })))
})
