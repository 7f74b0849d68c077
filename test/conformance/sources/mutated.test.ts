import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { type PictureOptions, writePictures } from '../../helpers/parquet.js'

/** `SOURCE_FUZZ_CASES=5000` looks at as many; `SOURCE_FUZZ_SEED` at others. */
const cases = Number(process.env['SOURCE_FUZZ_CASES'] ?? 300)
const seed = process.env['SOURCE_FUZZ_SEED'] ?? '1'
/** Nothing for so long means that one file has no end; a few kilobytes take milliseconds. */
const deadlineMs = 120_000
/** The process itself takes about 150 MB. */
const mostBytes = 900e6
const codes = [
  'listed',
  'ARCHIVE_INVALID',
  'IMAGE_MISSING',
  'KEY_INVALID',
  'LIST_DUPLICATE',
  'LIST_INVALID',
  'SOURCE_CHANGED',
  'SOURCE_DENIED',
  'SOURCE_EMPTY',
  'SOURCE_KIND',
  'SOURCE_MISSING',
]

const step = fileURLToPath(new URL('../../dist/conformance/sources/mutate-step.js', import.meta.url))

/** Archives, tables and lists to damage. */
async function originals(folder: string): Promise<string[]> {
  const names = Array.from({ length: 12 }, (_, i) => `${i % 3 === 0 ? 'cat' : 'dog'}/${i}`)
  for (const kind of ['cat', 'dog']) await mkdir(join(folder, kind))
  for (const name of names) {
    await writeFile(join(folder, `${name}.jpg`), `bytes of ${name}`.repeat(20))
    await writeFile(join(folder, `${name}.cls`), name.slice(0, 3))
  }
  const tars = ['gnu', 'pax', 'ustar'].map(format => {
    const tar = join(folder, `${format}.tar`)
    execFileSync('tar', ['-cf', tar, `--format=${format}`, '-C', folder, 'cat', 'dog'])
    return tar
  })
  const lists: [string, string][] = [
    ['list.csv', `path,label,split\n${names.map(name => `${name}.jpg,"${name.slice(0, 3)}, it is",train\n`).join('')}`],
    ['list.tsv', `file_name\tclass\n${names.map(name => `${name}.jpg\t1.0\n`).join('')}`],
    ['list.jsonl', names.map(name => `${JSON.stringify({ file_name: `${name}.jpg`, label: name.slice(0, 3) })}\n`).join('')],
    ['list.txt', names.map((name, i) => `${name}.jpg ${i % 2}\n`).join('')],
  ]
  for (const [name, text] of lists) await writeFile(join(folder, name), text)
  const rows = names.map((name, i) => ({ bytes: Buffer.from(`bytes of ${name}`.repeat(10)), path: `${name}.jpg`, label: i % 2 }))
  const forms: PictureOptions[] = [
    { codec: 'SNAPPY', classes: ['dog', 'cat'] },
    { codec: 'ZSTD', rowGroupSize: 5 },
    { codec: 'GZIP', offsetIndex: true },
    { codec: 'UNCOMPRESSED', pageSize: 300 },
  ]
  const tables = forms.map((_, i) => join(folder, `table-${i}.parquet`))
  for (const [i, path] of tables.entries()) await writePictures(path, rows, forms[i])
  // Tables are the hardest: they come twice as often.
  return [...tars, ...tables, ...tables, ...lists.map(([name]) => join(folder, name))]
}

it(`each of ${cases} damaged archives and tables ends in a code (seed ${seed})`, { timeout: 20 * 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-originals-'))
  const outcomes = new Map<string, string>()
  let at = 'before the first'
  let most = 0
  try {
    const child = spawn(process.execPath, ['--max-old-space-size=512', step, seed, '0', String(cases), ...(await originals(folder))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const late = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    const ended = once(child, 'exit')
    for await (const line of createInterface({ input: child.stdout })) {
      late.refresh()
      const told = JSON.parse(line) as { case: number; file?: string; outcome?: string; bytes?: number }
      if (told.file !== undefined) at = `case ${told.case}, ${told.file}`
      if (told.outcome !== undefined) outcomes.set(told.outcome, at)
      most = Math.max(most, told.bytes ?? 0)
    }
    const [code, signal] = (await ended) as [number | null, string | null]
    clearTimeout(late)
    expect({ code, signal }, at).toEqual({ code: 0, signal: null })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  for (const [outcome, example] of outcomes) expect(codes, example).toContain(outcome)
  expect(most).toBeLessThan(mostBytes)
  // The damage must be of all sorts, or the test would say little.
  expect([...outcomes.keys()]).toEqual(expect.arrayContaining(['listed', 'ARCHIVE_INVALID', 'LIST_INVALID']))
})
