import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startCli } from '../helpers/cli.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-startup-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** URLs of all scripts that a command has loaded, Node.js's own among them: its coverage lists them. */
async function scriptsOf(args: readonly string[]): Promise<string[]> {
  const coverage = await mkdtemp(join(folder, 'coverage-'))
  // A bundle has packages within its own files.
  await startCli(args, { env: { NODE_V8_COVERAGE: coverage }, isBuilt: true }).ended
  const texts = await Promise.all((await readdir(coverage)).map(name => readFile(join(coverage, name), 'utf8')))
  return texts.flatMap(text => (JSON.parse(text) as { result: { url: string }[] }).result.map(({ url }) => url))
}

/** The packages from outside the workspace whose modules a command has loaded. */
async function packagesOf(args: readonly string[]): Promise<string[]> {
  const names = (await scriptsOf(args)).flatMap(url => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  return [...new Set(names)].toSorted()
}

// Queue, HTTP server, engines, pictures and buckets take most of a second to load.
it.each([
  [['--help'], ['commander']],
  [['models'], ['commander', 'zod']],
  [
    ['tokens', 'list'],
    ['commander', 'zod'],
  ],
  [['weights', 'list'], ['commander']],
  [
    ['runs', 'list', '--server', 'http://127.0.0.1:1'],
    ['commander', 'eventsource-parser', 'zod'],
  ],
])('layermill %s loads what it needs', async (args, expected) => {
  expect(await packagesOf(args)).toEqual(expected)
})

it.each(['--version', '-V'])('layermill %s loads nothing but the program itself', async flag => {
  const own = (await scriptsOf([flag])).filter(url => url.startsWith('file:'))
  expect(own.map(url => url.slice(url.lastIndexOf('/apps/')))).toEqual(['/apps/cli/bin/layermill.js'])
})

it("keeps V8's space for new objects small, whatever survives of them", async () => {
  const probe = `import { getHeapSpaceStatistics } from 'node:v8'
    process.on('exit', () => {
      const kept = Array.from({ length: 500_000 }, (_, i) => ({ i }))
      const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
      process.stderr.write('new space ' + space.space_size + ' ' + kept.length)
    })`
  const { stderr } = await startCli(['models'], {
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(probe)}` },
    isBuilt: true,
  }).ended
  const bytes = Number(/new space (\d+) 500000/.exec(stderr)?.[1])
  expect(bytes).toBeGreaterThan(0)
  // It would have grown to 32 MiB.
  expect(bytes).toBeLessThanOrEqual(16 * 2 ** 20)
})

it('layermill --help loads as many of its own modules as there are commands, and few more', async () => {
  const own = (await scriptsOf(['--help'])).filter(url => url.startsWith('file:') && !url.includes('/node_modules/'))
  expect(own.length).toBeLessThan(90)
})
