import { describe, expect, it } from 'vitest'
import { boundaryViolations } from './boundaries.js'
import { importsOf, readWorkspace, type WorkspacePackage, workspaceRoot } from './workspace.js'

const models: WorkspacePackage = {
  name: '@layermill/models',
  folder: 'libs/models',
  dependencies: [],
  devDependencies: [],
  exports: ['.'],
  references: [],
  files: [],
}

/** libs/engines as it should be, with one more source. */
function engines(imports: string[], changes: Partial<WorkspacePackage> = {}, lines = 10, file = 'extra.ts'): WorkspacePackage {
  return {
    name: '@layermill/engines',
    folder: 'libs/engines',
    dependencies: ['@layermill/models', 'onnxruntime-node'],
    devDependencies: [],
    exports: ['.'],
    references: ['libs/models'],
    files: [
      { path: 'libs/engines/src/index.ts', lines: 10, imports: ['@layermill/models', 'onnxruntime-node', './extra.js'] },
      { path: `libs/engines/src/${file}`, lines, imports },
    ],
    ...changes,
  }
}

const storage: WorkspacePackage = { ...models, name: '@layermill/storage', folder: 'libs/storage' }

function violations(changed: WorkspacePackage): string[] {
  return boundaryViolations({ packages: [models, storage, changed], devDependencies: ['vitest'] })
}

describe('the workspace', () => {
  it('keeps to the boundaries between its packages', () => {
    const workspace = readWorkspace(workspaceRoot())
    expect(workspace.packages.length).toBeGreaterThanOrEqual(10)
    expect(workspace.packages.every(({ files }) => files.length > 0)).toBe(true)
    expect(boundaryViolations(workspace)).toEqual([])
  })
})

describe('importsOf', () => {
  it('finds every way to name a module', () => {
    const text = `
      import a from 'a'
      import type { B } from '@b/b/sub'
      export * from './c.js'
      export { d } from 'd'
      const e: import('e').E = await import('f')
      const g = require.resolve('g'), h = require('h'), i = import.meta.resolve('i')
      const text = "import z from 'z'" // import y from 'y'
      export { text }
    `
    expect(importsOf('x.ts', text).toSorted()).toEqual(['./c.js', '@b/b/sub', 'a', 'd', 'e', 'f', 'g', 'h', 'i'])
  })

  it('names a file that does not parse', () => {
    expect(() => importsOf('broken.ts', 'import {')).toThrow('broken.ts does not parse')
  })
})

describe('boundaryViolations', () => {
  it('accepts a package that keeps to the rules', () => {
    expect(violations(engines(['node:fs', './index.js', '@layermill/engines']))).toEqual([])
    expect(violations(engines(['vitest', '../../../scripts/services/redis.mjs'], {}, 900, 'extra.test.ts'))).toEqual([])
    expect(violations(engines(['vitest'], {}, 10, 'testing/contract.ts'))).toEqual([])
  })

  it.each([
    ['an undeclared package', ['yaml'], 'yaml is not among the dependencies'],
    ['a test tool outside of tests', ['vitest'], 'vitest is not among the dependencies'],
    ['an undeclared package of the workspace', ['@layermill/storage'], '@layermill/storage is not among the dependencies'],
    ['a way around exports', ['@layermill/models/dist/graph.js'], 'reaches into libs/models'],
    ['a path into another package', ['../../models/src/graph.js'], 'leaves libs/engines'],
    ['a test server outside of tests', ['../../../scripts/services/redis.mjs'], 'leaves libs/engines'],
    ['a Node.js module without node:', ['fs'], 'write node: in front'],
  ])('refuses %s', (_, imports, message) => {
    expect(violations(engines(imports))).toEqual([expect.stringContaining(message)])
  })

  it('refuses a sibling of the same rank even where it is declared', () => {
    const changes = {
      dependencies: ['@layermill/models', 'onnxruntime-node', '@layermill/storage'],
      references: ['libs/models', 'libs/storage'],
    }
    expect(violations(engines(['@layermill/storage'], changes))).toEqual([expect.stringContaining('libs/engines may not use libs/storage')])
  })

  it('refuses dependencies that nothing imports, types of packages in use aside', () => {
    const changes = { devDependencies: ['@types/onnxruntime-node', '@types/yazl', 'left-pad'] }
    expect(violations(engines([], changes))).toEqual([expect.stringContaining('@types/yazl'), expect.stringContaining('left-pad')])
  })

  it('refuses references of tsconfig.json that differ from the dependencies', () => {
    expect(violations(engines([], { references: ['libs/storage'] }))).toEqual([
      expect.stringContaining('lacks the reference to libs/models'),
      expect.stringContaining('refers to libs/storage'),
    ])
  })

  it('refuses long files and packages without a place in the order', () => {
    expect(violations(engines([], {}, 401))).toEqual([expect.stringContaining('401 lines')])
    expect(violations({ ...models, name: '@layermill/new', folder: 'libs/new' })).toEqual([
      expect.stringContaining('libs/new has no place'),
    ])
  })
})
