import { describe, expect, it } from 'vitest'
import { importCircles } from './circles.js'
import { importsOf, readWorkspace, type SourceFile, workspaceRoot } from './workspace.js'

const file = (name: string, ...imports: string[]): SourceFile => ({ path: `libs/x/src/${name}`, lines: 1, imports })

it('finds no circle of imports inside any package, through types neither', () => {
  const { packages } = readWorkspace(workspaceRoot())
  expect(packages.flatMap(({ files }) => importCircles(files))).toEqual([])
})

describe('importCircles', () => {
  it('finds a circle that types carry', () => {
    const text = {
      a: "import type { B } from './b.js'\nexport interface A { b: B }\n",
      b: "import { a } from './a.js'\nexport type B = typeof a\n",
    }
    const files = [file('a.ts', ...importsOf('a.ts', text.a)), file('b.ts', ...importsOf('b.ts', text.b))]
    expect(importCircles(files)).toEqual(['libs/x/src/a.ts -> libs/x/src/b.ts -> libs/x/src/a.ts'])
  })

  it('finds circles over folders and of three files, and one that a lazy import closes', () => {
    const files = [
      file('a.ts', './in/b.js'),
      file('in/b.ts', '../c.js'),
      file('c.tsx', './a.js'),
      file('d.ts', ...importsOf('d.ts', "export const e = () => import('./e.js')")),
      file('e.ts', './d.js'),
    ]
    expect(importCircles(files)).toEqual([
      'libs/x/src/a.ts -> libs/x/src/in/b.ts -> libs/x/src/c.tsx -> libs/x/src/a.ts',
      'libs/x/src/d.ts -> libs/x/src/e.ts -> libs/x/src/d.ts',
    ])
  })

  it('accepts files that share others, packages, and files outside', () => {
    const files = [file('a.ts', './b.js', './c.js', 'node:fs', '@layermill/core'), file('b.ts', './c.js', '../../y/src/a.js'), file('c.ts')]
    expect(importCircles(files)).toEqual([])
  })
})
