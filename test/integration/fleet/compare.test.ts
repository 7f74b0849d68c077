import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { npyHeader } from '@layermill/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliResult, runCli } from '../../helpers/cli.js'
import { Fleet, succeeded, untilSaid } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'

const folder = testFolder('fleet-compare')
const rows = 90
const names = Array.from({ length: 7 }, (_, i) => `s${i}.npy`)
/** Seven sets are four blocks; each takes about a second. Everything that the key of a comparison has in it. */
const settings =
  '--measures rsa,cka,rbf,procrustes --permutations 40 --partial s2 --minibatch 30 --targets targets.npy --folds 3 --penalties 0.01,1 --seed other --memory 2MB'.split(
    ' ',
  )
let fleet: Fleet
let root: string
let local: Map<string, string>
let said: CliResult

async function writeNumbers(name: string, columns: number, step: number): Promise<void> {
  const values = Float64Array.from({ length: rows * columns }, (_, i) => ((i * step) % 1009) / 8 + Math.sin(i * step))
  await writeFile(join(root, name), Buffer.concat([npyHeader('<f8', [rows, columns]), Buffer.from(values.buffer)]))
}

/** Files of a folder of results by name. */
async function filesOf(out: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const name of (await readdir(join(root, out))).toSorted()) files.set(name, await readFile(join(root, out, name), 'utf8'))
  return files
}

const compared = (out: string, ...more: readonly string[]): string[] => ['compare', ...names, ...settings, '--out', out, ...more]
/** Arguments of the same comparison over the fleet, as it is typed in the folder of the sets. */
const shared = (out: string): string[] => compared(out, '--queue', fleet.queue)

/** Names of what the queue of analyses has. */
const jobs = async (): Promise<string> => fleet.redis.command('keys', '*layermill-analyses:*sets-*')

beforeAll(async () => {
  root = await folder()
  for (const [i, name] of names.entries()) await writeNumbers(name, 6 + i, 37 + 2 * i)
  await writeNumbers('targets.npy', 3, 53)
  said = succeeded(await runCli(compared('local'), { cwd: root }))
  local = await filesOf('local')
  fleet = await Fleet.start()
})
afterAll(() => fleet?.stop())

it('compares with nobody else at the queue', async () => {
  const { stdout, stderr } = succeeded(await runCli(shared('alone'), { cwd: root }))
  expect(stderr).toMatch(/4 blocks of pairs: servers of redis:\/\/\S+ may take them too/)
  expect(stdout).toBe(said.stdout)
  expect([...local.keys()]).toEqual(expect.arrayContaining(['compare.json', 'predictivity.csv', 'rsa-kendall-tau-a.csv']))
  expect(await filesOf('alone')).toEqual(local)
  expect((await jobs()).trim()).toBe('')
})

it('goes on where another command for the same folder ends meanwhile', async () => {
  const command = fleet.run(shared('twice'), { cwd: root })
  await untilSaid(command, /may take them too/)
  // The other one takes its journals away.
  const journals = (await readdir(join(root, 'twice'))).filter(name => name.startsWith('progress'))
  expect(journals).toContain('progress.json')
  for (const name of journals) await rm(join(root, 'twice', name))
  const { stdout } = succeeded(await command.ended)
  expect(stdout).toBe(said.stdout)
  expect(await filesOf('twice')).toEqual(local)
})

it('loses nothing where the server that has a block is killed', async () => {
  const server = await fleet.serve(['--lock-duration', '2'])
  const command = fleet.run(shared('killed'), { cwd: root })
  await untilSaid(server.process, /block 1 of 4: begins/)
  await fleet.kill(server.process)
  expect(server.process.output()).not.toMatch(/of 4: done/)
  const { stdout } = succeeded(await command.ended)
  expect(stdout).toBe(said.stdout)
  expect(await filesOf('killed')).toEqual(local)
})

it('shares blocks with two servers, and goes on from what they did for a command that was killed', async () => {
  const servers = [await fleet.serve(), await fleet.serve()]
  const first = fleet.run(shared('gone'), { cwd: root })
  await Promise.all(servers.map(async ({ process }) => untilSaid(process, /for \S+gone, block \d of 4: begins/)))
  await fleet.kill(first)
  const output = (): string => servers.map(({ process }) => process.output()).join('\n')
  await expect.poll(() => output().match(/for \S+gone, block \d of 4: done/g)?.length ?? 0).toBeGreaterThanOrEqual(2)
  const again = succeeded(await runCli(shared('gone'), { cwd: root }))
  expect(again.stderr).toMatch(/blocks? of pairs \([2-4] are done\): servers of/)
  expect(again.stdout).toBe(said.stdout)
  expect(await filesOf('gone')).toEqual(local)

  const { stderr } = succeeded(await runCli(shared('both'), { cwd: root }))
  expect(stderr).not.toMatch(/could not/)
  expect(await filesOf('both')).toEqual(local)
  for (const { process } of servers) expect(process.output()).toMatch(/for \S+both, block \d of 4: done/)
  expect((await jobs()).trim()).toBe('')
})

it('says what servers cannot read, and compares it here', async () => {
  // To the servers of the test before, whose folder is another one, these are other places.
  const mine = names.map(name => `/proc/self/cwd/${name}`)
  const measures = ['--measures', 'cka,rsa']
  succeeded(await runCli(['compare', ...mine, ...measures, '--out', 'mine'], { cwd: root }))
  const { stderr } = succeeded(await runCli(['compare', ...mine, ...measures, '--out', 'unread', '--queue', fleet.queue], { cwd: root }))
  expect(stderr).toMatch(/a server could not do a block, which is done here: .*s0\.npy.*\[FILE_MISSING\]\n.*a disk that all share, or s3:/)
  expect(await filesOf('unread')).toEqual(await filesOf('mine'))
  const elsewhere = ['compare', ...mine, ...measures, '--out', '/proc/self/cwd/unwritten', '--queue', fleet.queue]
  expect(succeeded(await runCli(elsewhere, { cwd: root })).stderr).toMatch(/no comparison is under way here.*\[NOT_RECORDED\]/)
  expect(await filesOf('unwritten')).toEqual(await filesOf('mine'))
})

it('compares few sets, and linear CKA alone, without the servers', async () => {
  const few = await runCli(['compare', ...names.slice(0, 3), '--out', 'few', '--queue', fleet.queue], { cwd: root })
  expect(succeeded(few).stderr).toMatch(/3 sets: too few pairs to share, so everything is compared here/)
  const cka = await runCli(['compare', ...names, '--measures', 'cka', '--out', 'cka', '--queue', fleet.queue], { cwd: root })
  expect(succeeded(cka).stderr).toMatch(/linear CKA of all pairs is one pass over the rows, so everything is compared here/)
})
