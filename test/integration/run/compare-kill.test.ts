import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { npyHeader, Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'

const folder = testFolder('compare-kill')
const [rows, columns] = [160, 700]

/**
 * Ends its process by SIGKILL once a text is in the journal, and says how often that was written. The clock leaps, so that each step is due
 * to be written.
 */
const killer = (text: string): readonly string[] => {
  const module = `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { rename } = fs.promises
const now = performance.now.bind(performance)
let [leaps, writes] = [0, 0]
performance.now = () => now() + 6000 * leaps++
fs.promises.rename = async (from, to) => {
  await rename(from, to)
  if (!String(to).endsWith('progress.json')) return
  writes++
  if (!fs.readFileSync(to, 'utf8').includes(${JSON.stringify(text)})) return
  fs.writeSync(2, 'writes: ' + writes)
  process.kill(process.pid, 'SIGKILL')
}
syncBuiltinESMExports()`
  return ['--import', `data:text/javascript,${encodeURIComponent(module)}`]
}

async function contentOf(place: string): Promise<Record<string, string>> {
  const names = (await readdir(place, { recursive: true })).toSorted()
  const files = names.filter(name => /\.\w+$/.test(name))
  return Object.fromEntries(await Promise.all(files.map(async name => [name, await readFile(join(place, name), 'base64')] as const)))
}

it('goes on after it was killed, again and again, and writes the same bytes', async () => {
  const here = await folder()
  const files: string[] = []
  for (const name of ['a', 'b', 'c']) {
    const random = new Random(`kill:${name}`)
    const values = Float32Array.from({ length: rows * columns }, () => random.between(-1, 1))
    files.push(join(here, `${name}.npy`))
    await writeFile(files.at(-1)!, Buffer.concat([npyHeader('<f4', [rows, columns]), new Uint8Array(values.buffer)]))
  }
  const measures = ['--measures', 'cka,rsa,procrustes', '--permutations', '20', '--memory', '1MB']
  const run = (out: string, nodeArgs: readonly string[] = []) =>
    startCli(['compare', ...files, ...measures, '--out', out, '--write-rdm', 'condensed', '--json'], { nodeArgs }).ended

  const whole = join(here, 'whole')
  const expected = await run(whole)
  expect(expected.code, expected.stderr).toBe(0)

  const out = join(here, 'killed')
  const killedAt = async (text: string): Promise<number> => {
    const { signal, stderr } = await run(out, killer(text))
    expect(signal, stderr).toBe('SIGKILL')
    return Number(/writes: (\d+)$/.exec(stderr)?.[1])
  }
  // Blocks of sums, and pairs, that are done are not done again: from the second block on, then from the third pair.
  expect(await killedAt('"done":2,')).toBe(2)
  // The rows in four blocks, and those against each other.
  const blocks = 10
  expect(await killedAt('"rsa:1"')).toBe(blocks - 2 + 6 + 3 + 2)
  expect(await killedAt('"procrustes:0"')).toBe(3 + 4 + 1)

  const last = await run(out)
  expect([last.code, last.stdout]).toEqual([0, expected.stdout])
  expect(await contentOf(out)).toEqual(await contentOf(whole))
})
