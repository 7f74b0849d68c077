import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const strace = process.env['LAYERMILL_TEST_STRACE']
if (strace === undefined) throw new Error('LAYERMILL_TEST_STRACE names no program: run the tests by `npm test`')

const execute = promisify(execFile)
const layermill = path.join(import.meta.dirname, '../../../apps/cli/bin/layermill.js')
const library = createRequire(import.meta.url).resolve('layermill')
let folder = ''
const at = (...names: string[]) => path.join(folder, ...names)

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermill-private-'))
  for (const name of ['photos', 'home', 'work', 'tmp']) await mkdir(at(name))
  await sharp({ create: { width: 64, height: 64, channels: 3, background: 'teal' } }).toFile(at('photos', 'a.png'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Dependencies ask the environment whether they run in CI, and are quieter there than on a user's machine. */
const environment = () => ({ PATH: process.env['PATH'], HOME: at('home'), TMPDIR: at('tmp') })

/** Runs a program of Node.js and answers the network calls that it and its children made, socket files and netlink left out. */
async function networkCalls(parameters: readonly string[]): Promise<string[]> {
  const trace = at('trace')
  const calls = 'connect,sendto,sendmsg,sendmmsg'
  await execute(strace!, ['-f', '-qq', '-e', `trace=${calls}`, '-o', trace, process.execPath, ...parameters], {
    cwd: at('work'),
    env: environment(),
  })
  return (await readFile(trace, 'utf8')).split('\n').filter(line => /AF_INET/.test(line))
}

const filesBelow = async (place: string) =>
  (await readdir(place, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => path.relative(folder, path.join(entry.parentPath, entry.name)))

const small = ['--model', 'googlenet', '--weights', 'random:1', '--layers', 'conv1', '--size', '64x64']

it('a lookup of a name is a call that would be seen', async () => {
  const lookup = `new (require('node:dns').Resolver)({ timeout: 1, tries: 1 }).resolve4('layermill.invalid', () => {})`
  expect(await networkCalls(['-e', lookup])).not.toEqual([])
})

describe('a run on a machine of its own, not in CI', () => {
  it('extracts: asks no address, and leaves only its results and its cache', async () => {
    expect(await networkCalls([layermill, 'extract', at('photos'), ...small, '--out', at('features')])).toEqual([])
    expect((await filesBelow(at('home'))).filter(file => !file.startsWith('home/.cache/layermill/'))).toEqual([])
    expect(await filesBelow(at('work'))).toEqual([])
    expect(await filesBelow(at('tmp'))).toEqual([])
    expect(await filesBelow(at('features', 'features'))).toEqual(['features/features/conv1/part-00000.npy'])
  })

  it('runs as a library: the same', async () => {
    const program = `
      const { loadModel } = await import(${JSON.stringify(library)})
      const model = await loadModel('googlenet', { weights: 'random:1' })
      const { conv1 } = await model.extract([${JSON.stringify(at('photos', 'a.png'))}], { layers: ['conv1'] })
      if (conv1.shape[0] !== 1) throw new Error('no rows')
      await model.dispose()`
    expect(await networkCalls(['--input-type=module', '-e', program])).toEqual([])
    expect((await filesBelow(at('home'))).filter(file => !file.startsWith('home/.cache/layermill/'))).toEqual([])
    expect(await filesBelow(at('work'))).toEqual([])
  })
})

describe('the variable of ONNX Runtime', () => {
  it('stays as the user has set it', async () => {
    const program = `await import(${JSON.stringify(createRequire(import.meta.url).resolve('@layermill/engines'))}); console.log(process.env.ORT_DISABLE_TELEMETRY)`
    const value = async (env: NodeJS.ProcessEnv) =>
      (await execute(process.execPath, ['--input-type=module', '-e', program], { env })).stdout.trim()
    expect(await value(environment())).toBe('1')
    expect(await value({ ...environment(), ORT_DISABLE_TELEMETRY: '0' })).toBe('0')
  })
})
