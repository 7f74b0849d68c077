import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)

it('docs/security.md names tests and decisions that exist', async () => {
  const text = await readFile(new URL('docs/security.md', root), 'utf8')
  const tests = [...text.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, path]) => path!)
  const decisions = [...text.matchAll(/\((decisions\/[\w-]+\.md)\)/g)].map(([, path]) => `docs/${path!}`)
  expect(tests.length).toBeGreaterThan(20)
  expect(decisions.length).toBeGreaterThan(3)
  expect([...tests, ...decisions].filter(path => !existsSync(new URL(path, root)))).toEqual([])
})
