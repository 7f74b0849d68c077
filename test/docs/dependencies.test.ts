import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { readWorkspace, workspaceRoot } from '../architecture/workspace.js'

const root = workspaceRoot()
const read = (file: string): Promise<string> => readFile(path.join(root, file), 'utf8')
const run = promisify(execFile)

/** Output and exit code of `npm run advisories`. */
async function advisories(...places: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await run(process.execPath, [path.join(root, 'scripts/advisories/advisories.mjs'), ...places])) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}

it('docs/dependencies.md says of every direct dependency what it reads', async () => {
  const page = await read('docs/dependencies.md')
  const names = readWorkspace(root)
    .packages.filter(({ folder }) => folder !== 'test')
    .flatMap(({ dependencies }) => dependencies)
  expect(names.length).toBeGreaterThan(30)
  expect(
    [...new Set(names)].filter(name => !name.startsWith('@layermill/') && name !== 'layermill' && !page.includes(`\`${name}\``)),
  ).toEqual([])
})

it('no locked version is affected by an advisory that was known, and the page names each', async () => {
  const { advisories: known } = JSON.parse(await read('scripts/advisories/known.json')) as { advisories: { id: string }[] }
  const page = await read('docs/dependencies.md')
  expect(known.filter(({ id }) => !page.includes(id))).toEqual([])
  expect(await advisories()).toMatchObject({ code: 0, stdout: expect.stringMatching(/, 0 affected\n$/) })
})

it('finds affected versions in files of a database, by ranges and by lists, and leaves withdrawn ones out', async () => {
  const { packages } = JSON.parse(await read('package-lock.json')) as { packages: Record<string, { version: string }> }
  const { version } = packages['node_modules/fastify']!
  const folder = await mkdtemp(path.join(tmpdir(), 'layermill-advisories-'))
  const advisory = (id: string, affected: object, more: object = {}): Promise<void> =>
    writeFile(
      path.join(folder, `${id}.json`),
      JSON.stringify({ id, affected: [{ package: { ecosystem: 'npm', name: 'fastify' }, ...affected }], ...more }),
    )
  await advisory('OSV-1', { ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { last_affected: version }] }] })
  await advisory('OSV-2', { ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: version }] }] })
  await advisory('OSV-3', { versions: [version] })
  await advisory('OSV-4', { versions: [version] }, { withdrawn: '2026-01-01T00:00:00Z' })
  const { code, stdout } = await advisories(folder)
  expect(code).toBe(1)
  expect([...stdout.matchAll(/OSV-\d/g)].map(([id]) => id)).toEqual(['OSV-1', 'OSV-3'])
  await writeFile(path.join(folder, 'OSV-5.json'), '{"id": 5}')
  expect(await advisories(folder)).toMatchObject({ code: 2, stderr: expect.stringContaining('OSV-5.json: expected advisories') })
  await rm(folder, { recursive: true })
})
