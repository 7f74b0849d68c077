import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { startedBy } from '../../scripts/release/bundle.mjs'
import { walkedFiles, workspaceRoot } from './workspace.js'

it('the release finds every module that starts a thread, or a process besides the command itself', async () => {
  const root = workspaceRoot()
  const isSource = (file: string): boolean => /^(apps|libs)\/[^/]+\/src\/.*(?<!\.test)\.ts$/.test(file) && !file.includes('/testing/')
  const found = new Set<string>()
  const unknown: string[] = []
  for (const file of walkedFiles(root).filter(isSource)) {
    const text = await readFile(path.join(root, file), 'utf8')
    const { places, entries } = startedBy(text)
    for (const name of [...places, ...entries]) found.add(name)
    if (/new Worker\(/.test(text) && places.length + entries.length === 0) unknown.push(file)
  }
  expect(unknown).toEqual([])
  expect([...found].toSorted()).toEqual([
    // Of the sources; compiled, it is beside.
    '../../dist/embedded/thread.js',
    './analysis-process.js',
    './components-thread.js',
    './map-thread.js',
    './thread.js',
    '@layermill/engines/thread',
    '@layermill/preprocess/decode-process',
    '@layermill/preprocess/draft-thread',
    '@layermill/training/optimizer-thread',
  ])
})
