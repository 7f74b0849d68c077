import { expect, it } from 'vitest'
import { folderViolations, orchestratorFolders } from './folders.js'
import { readWorkspace, workspaceRoot } from './workspace.js'

const source = 'apps/orchestrator/src'

it('the folders of the orchestrator use lower ones only', () => {
  const { files } = readWorkspace(workspaceRoot()).packages.find(({ folder }) => folder === 'apps/orchestrator')!
  const sources = files.filter(({ path }) => path.startsWith(`${source}/`))
  expect(new Set(sources.map(({ path }) => path.slice(source.length + 1).split('/')[0]))).toContain('run')
  expect(folderViolations(sources, source, orchestratorFolders)).toEqual([])
})

it('finds arrows that run back up, those between equals and folders without a place', () => {
  const file = (path: string, ...imports: string[]) => ({ path: `${source}/${path}`, lines: 1, imports })
  const files = [
    file('run/a.ts', './b.js', '../registry/c.js', 'node:fs'),
    file('http/routes/a.ts', '../b.js', '../../notify/c.js'),
    file('train/a.ts', '../run/a.js', '../main.js'),
    file('new/a.ts'),
    file('main.ts', './fleet/a.js'),
  ]
  expect(folderViolations(files, source, orchestratorFolders)).toEqual([
    expect.stringContaining('run may not use registry'),
    expect.stringContaining('http may not use notify'),
    expect.stringContaining('train may not use what is beside the folders'),
    expect.stringContaining('the folder new has no place'),
  ])
})
