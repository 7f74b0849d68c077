import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { assemble, textModules } from '../../scripts/wasm/assemble.mjs'

const modules = textModules()

it('finds the text modules', () => {
  expect(modules.map(({ constant }) => constant).toSorted()).toEqual([
    'addWasm',
    'measureWasm',
    'optimizerWasm',
    'projectWasm',
    'resampleWasm',
  ])
})

it.each(modules)('$constant is what $source assembles to', async ({ path, target }) => {
  const source = await readFile(target, 'utf8')
  const base64 = [...source.matchAll(/'([A-Za-z0-9+/=]+)'/g)].map(([, line]) => line).join('')
  expect(base64).toBe(await assemble(path))
})
