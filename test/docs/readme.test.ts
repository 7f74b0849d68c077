/** Every command and program in the README, run as it stands. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { importWeights } from '@layermill/models'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RedisService, startRedis } from '../../scripts/services/redis.mjs'
import { cliFile } from '../helpers/cli.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')
const run = promisify(execFile)

/** The code blocks of a language, in their order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].filter(match => match[1] === language).map(match => match[2]!)
}

const commands = blocks('sh')
  .flatMap(block => block.split('\n'))
  .map(line => line.replace(/\s+#.*$/, '').trim())
  .filter(line => line !== '')
const own = commands.filter(command => command.startsWith('npx layermill '))

let folder: string
let env: NodeJS.ProcessEnv
let redis: RedisService | undefined
/** Commands that run until they are told to end. */
const servers: ChildProcess[] = []

/** A command's arguments, with the tests' own Redis and a free port where it names the usual ones. */
async function argumentsOf(command: string): Promise<string[]> {
  const args = command.replace('npx layermill ', '').split(/\s+/)
  if (!args.includes('redis://localhost:6379')) return args
  const given = process.env['LAYERMILL_TEST_REDIS']
  if (given === undefined) redis ??= await startRedis()
  return args.map(arg => (arg === 'redis://localhost:6379' ? (given ?? redis!.url) : arg === '8080' ? '0' : arg))
}

/** A picture of stripes or of plain colour, different for each index. */
async function writePicture(file: string, index: number, striped: boolean): Promise<void> {
  const pixels = Buffer.alloc(160 * 120 * 3)
  for (let i = 0; i < pixels.length; i++) pixels[i] = striped && Math.floor(i / 3 / 8) % 2 === 0 ? 230 - index : 60 + 7 * index
  await sharp(pixels, { raw: { width: 160, height: 120, channels: 3 } }).toFile(file)
}

/** Pictures by the names that the README uses, and weights where `imagenet` finds them, since the published ones cannot be fetched in a test. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-readme-'))
  env = { ...process.env, LAYERMILL_HOME: join(folder, 'home') }
  await mkdir(join(folder, 'photos'))
  for (const [i, name] of ['disc-01.jpg', 'stripe-01.jpg', 'stripe-02.png'].entries()) {
    await writePicture(join(folder, 'photos', name), i, i > 0)
  }
  for (const kind of ['cats', 'dogs']) {
    await mkdir(join(folder, 'pets', kind), { recursive: true })
    for (let i = 0; i < 8; i++) await writePicture(join(folder, 'pets', kind, `${i}.png`), i, kind === 'cats')
  }
  for (const model of ['resnet50', 'googlenet']) {
    await importWeights('random:1', model, undefined, { home: env['LAYERMILL_HOME'] })
  }
})
afterAll(async () => {
  for (const server of servers) {
    server.kill('SIGTERM')
    if (server.exitCode === null) await once(server, 'exit')
  }
  await redis?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Starts a command that goes on, and waits for its first word. */
async function startServer(args: readonly string[]): Promise<void> {
  const server = spawn(process.execPath, [cliFile, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  servers.push(server)
  const word = Promise.race([once(server.stdout, 'data'), once(server.stderr, 'data')])
  const ended = once(server, 'exit').then(([code]) => Promise.reject(new Error(`layermill ${args[0]} ended with ${code}`)))
  await Promise.race([word, ended])
  ended.catch(() => undefined)
}

describe('README', () => {
  it('has commands of the bootstrap only where these are tested themselves', async () => {
    expect(commands.filter(command => !command.startsWith('npx layermill '))).toEqual(['npm run demo', 'npm test'])
    await access(join(root, 'apps/cli/dist/demo/main.js'))
  })

  it.each(own)('%s', async command => {
    const args = await argumentsOf(command)
    if (args[0] === 'serve' || args[0] === 'worker') return startServer(args)
    const { stdout } = await run(process.execPath, [cliFile, ...args], { cwd: folder, env })
    expect(stdout).not.toBe('')
  })

  it('lists the files that a run writes', async () => {
    const listed = blocks('').flatMap(block => block.split('\n')).flatMap(line => /^(features\/\S+) {2,}/.exec(line)?.[1] ?? [])
    expect(listed.length).toBeGreaterThan(3)
    for (const file of listed.filter(name => !name.includes('/errors/'))) await access(join(folder, file))
    // Nothing failed, so nothing is in errors.
    expect(await readdir(join(folder, 'features'))).not.toContain('errors')
  })

  it('has a program that runs as it stands', async () => {
    const [program, ...more] = blocks('ts')
    expect(more).toEqual([])
    // Beside the workspace's modules, so that 'layermill' is found.
    const file = join(root, '.tmp', 'readme-example.mjs')
    await mkdir(join(root, '.tmp'), { recursive: true })
    await writeFile(file, program!)
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env })
    expect(stdout).toContain("'prob'")
    expect(stdout).toContain('[ 1, 2048 ]')
  })

  it('has a Python snippet that NumPy runs, where Python has NumPy', async context => {
    const numpy = await run('python3', ['-c', 'import numpy']).then(() => true, () => false)
    if (!numpy) return context.skip('python3 has no numpy on this machine; the files are read back by npm packages in other tests')
    const { stdout } = await run('python3', ['-c', `${blocks('python')[0]}print(res4.shape, res4.dtype)`], { cwd: folder })
    expect(stdout.trim()).toBe('(3, 1024, 14, 14) float32')
  })
})
