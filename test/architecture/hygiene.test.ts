import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { hygieneViolations, linkViolations, lockfileViolations, type ProjectFile } from './hygiene.js'
import { projectFiles, workspaceRoot } from './workspace.js'

const root = workspaceRoot()

/** Text files of the project; whatever holds a NUL byte is not text. */
function textFiles(): ProjectFile[] {
  return projectFiles(root)
    .filter(file => !file.endsWith('package-lock.json'))
    .map(file => ({ path: file, bytes: readFileSync(path.join(root, file)) }))
    .filter(({ bytes }) => !bytes.includes(0))
    .map(file => ({ path: file.path, text: file.bytes.toString('utf8') }))
}

describe('the project', () => {
  it('has no file with what should not be there', () => {
    const files = textFiles()
    expect(files.map(file => file.path)).toContain('nx.json')
    expect(hygieneViolations(files)).toEqual([])
  })

  it('locks its dependencies without the host they came from', () => {
    expect(lockfileViolations(readFileSync(path.join(root, 'package-lock.json'), 'utf8'))).toEqual([])
  })

  it('links only to documents that exist', () => {
    expect(linkViolations(textFiles(), target => existsSync(path.join(root, target)))).toEqual([])
  })
})

describe('hygieneViolations', () => {
  const check = (text: string, file = 'libs/x/src/x.ts'): string[] => hygieneViolations([{ path: file, text }])

  it.each([
    ['a path of one machine', `const folder = '/${'tmp'}/x'`],
    ["a package registry's host", `https://${'registry'}.npmjs.org/x`],
    ['a private key', `-----BEGIN RSA ${'PRIVATE'} KEY-----`],
    ['a conflict marker', `a\n${'<'.repeat(7)} HEAD`],
    ['an error code that is not UPPER_SNAKE_CASE', `throw new ${'LayermillError'}('layerUnknown', 'x')`],
    ['an error code that is not UPPER_SNAKE_CASE', `throw new ${'LayermillError'}(\n  "LAYER-UNKNOWN", "x")`],
  ])('finds %s', (what, text) => {
    expect(check(text)).toEqual([expect.stringContaining(what)])
  })

  it('finds members that are closed by a hash', () => {
    const members = ['#count = 0', 'readonly #jobs: Set<string>', 'async #look(): Promise<void> {', 'static #made?: Pool', 'get #all() {']
    for (const member of members)
      expect(check(`class A {\n  ${member}\n}`)).toEqual([`libs/x/src/x.ts:2 declares ${/#\w+/.exec(member)?.[0]}: write private instead`])
    expect(check('class A {\n  private count = 0\n}\nconst color = `\n  #fff`')).toEqual([])
  })

  it('finds comments that begin with a clause in place of a noun or a verb', () => {
    for (const word of ['What', 'Who', 'Where'])
      for (const text of [`// ${word} is kept.`, `/** ${word} is kept. */`, `/**\n * ${word} is kept.\n */`])
        expect(check(text)).toEqual([expect.stringContaining(`begins with ${word}`)])
    expect(check('// Records are kept.\n// Where there are none, nothing is.\nconst text = "// What"')).toEqual([])
  })

  it('finds constants in capitals', () => {
    for (const name of ['MAX_BYTES', 'K', 'SHA256'])
      for (const line of [`const ${name} = 1`, `export const ${name}: number = 1`, `  const ${name} = 1`])
        expect(check(line)).toEqual([`libs/x/src/x.ts:1 declares ${name}: write it in camelCase`])
    expect(check("const maxBytes = 1\nexport const RunSpec = z.object({})\nconst Icon = () => null\nconst code = 'CONST_A = 1'")).toEqual(
      [],
    )
  })

  it.each([
    ['it', 'only'],
    ['describe', 'skip'],
    ['test', 'todo'],
    ['it.concurrent', 'only'],
    ['describe', 'skipIf'],
  ])('finds %s.%s in tests', (subject, modifier) => {
    expect(check(`\n${subject}.${modifier}('x', f)`, 'a/b.test.ts')).toEqual([
      expect.stringContaining('a/b.test.ts:2 contains a focused or'),
    ])
  })

  it('accepts what only looks like it', () => {
    expect(check("new LayermillError('LAYER_UNKNOWN', `no ${name}`); context.skip('no GPU'); it('only', f)", 'a/b.test.ts')).toEqual([])
    expect(check('s3://bucket/work/a https://host/home/a ./tmp/a dist/root/a')).toEqual([])
  })
})

describe('lockfileViolations', () => {
  it('finds hosts and accepts packages of the workspace', () => {
    const lock = (resolved: string): string => JSON.stringify({ packages: { a: { resolved }, b: {} } })
    expect(lockfileViolations(lock('libs/a'))).toEqual([])
    expect(lockfileViolations(lock('https://host/a.tgz'))).toEqual(['package-lock.json: a is resolved to https://host/a.tgz'])
  })
})

describe('linkViolations', () => {
  const documents: ProjectFile[] = [
    {
      path: 'docs/a.md',
      text: '# One (two): `three`\n\n[up](../README.md#top) [self](#one-two-three) [b](b.md "B") `[no](x)` [web](https://h/x)\n```\n[no](y)\n```',
    },
    { path: 'docs/b.md', text: '[c](c.md) [heading](a.md#four) <img src="picture.png">' },
    { path: 'README.md', text: '# Top\n[docs](docs/)' },
  ]
  const there = new Set(['docs/a.md', 'docs/b.md', 'README.md', 'docs'])

  it('finds missing files and headings only', () => {
    expect(linkViolations(documents, target => there.has(target))).toEqual([
      'docs/b.md links to c.md, which is not there',
      'docs/b.md links to a.md#four, which is not there',
      'docs/b.md links to picture.png, which is not there',
    ])
  })
})
