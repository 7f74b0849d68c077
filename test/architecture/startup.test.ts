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

/** The packages from outside the workspace whose modules a command has loaded: Node.js lists all scripts in its coverage. */
async function packagesOf(args: readonly string[]): Promise<string[]> {
  const coverage = await mkdtemp(join(folder, 'coverage-'))
  await startCli(args, { env: { NODE_V8_COVERAGE: coverage } }).ended
  const texts = await Promise.all((await readdir(coverage)).map(name => readFile(join(coverage, name), 'utf8')))
  const urls = texts.flatMap(text => (JSON.parse(text) as { result: { url: string }[] }).result.map(({ url }) => url))
  const names = urls.flatMap(url => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
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
