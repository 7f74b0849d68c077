import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { decisionIndex, missingFiles, parseDecision, readDecisions } from '../../scripts/decisions.mjs'
import { workspaceRoot } from '../architecture/workspace.js'

const root = workspaceRoot()
const decisions = readDecisions(root)

describe('docs/decisions', () => {
  it('has an index that lists every page (node scripts/decisions.mjs)', async () => {
    expect(decisions.length).toBeGreaterThan(100)
    expect(await readFile(path.join(root, 'docs/decisions/README.md'), 'utf8')).toBe(decisionIndex(decisions))
  })

  it('gives each number once, and supersedes by pages that exist', () => {
    const numbers = decisions.map(({ number }) => number)
    expect(numbers).toEqual([...new Set(numbers)])
    const successors = decisions.flatMap(({ status }) => /\d{4}/.exec(status) ?? [])
    expect(successors.filter(number => !numbers.includes(number))).toEqual([])
  })

  it('governs files that exist', () => {
    expect(missingFiles(root, decisions)).toEqual([])
    expect(missingFiles(root, [{ ...decisions[0]!, name: '9999-x.md', files: ['package.json', 'libs', 'libs/no-such.ts'] }])).toEqual([
      '9999-x.md: libs/no-such.ts',
    ])
  })
})

describe('parseDecision', () => {
  const header = 'Area: queue. Status: in force. Date: 2026-12-01. Files: `libs/queue`, `package.json`.'

  it('reads a header', () => {
    expect(parseDecision('0999-x.md', `# 0999: A title\n\n${header}\n\nText.`)).toEqual({
      name: '0999-x.md',
      number: '0999',
      title: 'A title',
      area: 'queue',
      status: 'in force',
      date: '2026-12-01',
      files: ['libs/queue', 'package.json'],
    })
  })

  it.each([
    ['a page without a header', '# 0999: A title\n\nText.', /0999-x\.md does not begin with/],
    ['a title without a colon', `# 0999 A title\n\n${header}\n\nText.`, /does not begin with/],
    ['another number', `# 0998: A title\n\n${header}\n\nText.`, /0999-x\.md has the number 0998/],
    ['an area of its own', `# 0999: A title\n\n${header.replace('queue.', 'queues.')}\n\nText.`, /the area "queues"/],
    ['another status', `# 0999: A title\n\n${header.replace('in force', 'perhaps')}\n\nText.`, /does not begin with/],
    ['no date', `# 0999: A title\n\n${header.replace('2026-12-01', 'today')}\n\nText.`, /does not begin with/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseDecision('0999-x.md', text)).toThrow(message)
  })
})
