import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { npyHeader } from '@layermill/core'
import type { RawTensor } from '@layermill/engines'
import { encodeTable, encodeVectorTable } from '@layermill/storage'
import { MemoryStore } from '@layermill/storage/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { writeNpzArrays } from '../arrays/npz.js'
import { runProgram } from '../program.js'
import { endedBlocks, openJournal, requireBegun } from './journal.js'
import type { SetPredictivity } from './predictivity.js'

interface Pair {
  readonly a: string
  readonly b: string
  readonly cka: { readonly biased: number | null; readonly debiased: number | null }
  readonly rsa: {
    readonly spearman: number | null
    readonly pearson: number | null
    readonly kendallTauA: number | null
    readonly p?: { readonly spearman: number }
    readonly partial?: { readonly pearson: number | null }
  }
  readonly notDefined?: readonly string[]
}
interface Answer {
  readonly sets: readonly {
    readonly name: string
    readonly rows: number
    readonly columns: number
    readonly undefinedRows?: readonly number[]
  }[]
  readonly pairs: readonly Pair[]
  readonly predictivity?: readonly SetPredictivity[]
  readonly matchedBy: string
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermill-compare-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Numbers that look random, the same in every run. */
const numbers = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => ((i * step) % 101) / 8 - 5)

async function writeNpy(name: string, rows: number, columns: number, values: readonly number[]): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, Buffer.concat([npyHeader('<f8', [rows, columns]), Buffer.from(Float64Array.from(values).buffer)]))
  return file
}

async function writeTable(name: string, keys: readonly string[], columns: number, values: readonly number[]): Promise<string> {
  const rows = keys.map(key => ({ key, label: undefined, width: 1, height: 1, sha256: '' }))
  const chunks: Uint8Array[] = []
  const groups = (async function* () {
    yield { rows: rows as never, length: columns, values: Float32Array.from(values) }
  })()
  for await (const chunk of encodeVectorTable(groups, {})) chunks.push(chunk)
  const file = path.join(folder, name)
  await writeFile(file, Buffer.concat(chunks))
  return file
}

async function compare(...args: string[]): Promise<{ code: number; answer: Answer; lines: string[]; notes: string[] }> {
  const found = { json: [] as unknown[], lines: [] as string[], notes: [] as string[] }
  const code = await runProgram(['compare', ...args], {
    line: text => void found.lines.push(text),
    json: value => void found.json.push(value),
    note: text => void found.notes.push(text),
  })
  return { code, answer: found.json[0] as Answer, lines: found.lines, notes: found.notes }
}

const between = ({ pairs }: Answer, a: string, b: string): Pair => pairs.find(pair => pair.a === a && pair.b === b)!

it('compares numbers whose squares float64 cannot hold as it does others', async () => {
  const values = numbers(9 * 3, 37)
  const other = await writeNpy('scale-other.npy', 9, 3, numbers(9 * 3, 53))
  const of = async (name: string, size: number): Promise<Pair> => {
    const file = await writeNpy(
      name,
      9,
      3,
      values.map(value => value * size),
    )
    const { answer } = await compare(file, other, '--rdm', 'euclidean', '--json')
    expect(answer.pairs[0]!.notDefined).toBeUndefined()
    return { ...answer.pairs[0]!, a: '' }
  }
  const plain = await of('scale-1.npy', 1)
  for (const exponent of [531, -531]) expect(await of(`scale${exponent}.npy`, 2 ** exponent)).toEqual(plain)
})

it('ties dissimilarities that are equal but for rounding', async () => {
  // Rows are turns of each other: in exact arithmetic three distinct dissimilarities, seven in float64.
  const turns = [0, 1, 3, 7, 11, 2, 5].map((_, i, all) => all.map((_, j) => all[(i + j) % all.length]!))
  const file = await writeNpy('turns.npy', 7, 7, turns.flat())
  const steps = Array.from({ length: 7 }, (_, i) => Array.from({ length: 7 }, (_, j) => Number(i === j || (i + 1) % 7 === j))).flat()
  const other = await writeNpy('steps.npy', 7, 7, steps)
  const { answer } = await compare(file, other, '--rdm', 'pearson', '--json')
  // From SciPy 1.17.1 on dissimilarities rounded to 12 digits.
  expect(between(answer, 'turns', 'steps').rsa.spearman).toBeCloseTo(0.8660254037844387, 12)
  expect(between(answer, 'turns', 'steps').rsa.kendallTauA).toBeCloseTo(0.4666666666666667, 12)
})

it('compares tables by the order of their rows, and writes what it found', async () => {
  const values = numbers(20 * 6, 37)
  const a = await writeNpy('a.npy', 20, 6, values)
  const shifted = await writeNpy(
    'shifted.npy',
    20,
    6,
    values.map(value => 2 * value + 4096),
  )
  const other = await writeNpy('other.npy', 20, 3, numbers(60, 53))
  const out = path.join(folder, 'out')
  const { code, answer } = await compare(
    a,
    shifted,
    other,
    '--json',
    '--out',
    out,
    '--write-rdm',
    'condensed',
    '--permutations',
    '99',
    '--rdm',
    'euclidean',
  )
  expect(code).toBe(0)
  expect(answer.sets.map(({ name, rows, columns }) => [name, rows, columns])).toEqual([
    ['a', 20, 6],
    ['shifted', 20, 6],
    ['other', 20, 3],
  ])
  expect(answer.pairs.map(pair => `${pair.a}|${pair.b}`)).toEqual([
    'a|shifted',
    'a|other',
    'shifted|other',
    'a|a',
    'shifted|shifted',
    'other|other', // prettier-ignore
  ])
  const same = between(answer, 'a', 'shifted')
  for (const value of [...Object.values(same.cka), same.rsa.pearson, same.rsa.spearman]) expect(value).toBeCloseTo(1, 9)
  expect(same.rsa.p!.spearman).toBe(0.01)
  expect(between(answer, 'a', 'other').cka.debiased).toBeLessThan(between(answer, 'a', 'other').cka.biased!)
  const csv = await readFile(path.join(out, 'cka-debiased.csv'), 'utf8')
  expect(csv.split(/\r?\n/)[0]).toBe(',a,shifted,other')
  expect((await readFile(path.join(out, 'rdm', 'a.npy'))).length).toBe(128 + 8 * 190)
  const html = await readFile(path.join(out, 'report.html'), 'utf8')
  expect(html).toContain('Content-Security-Policy')
  expect(html).toContain('Linear CKA, debiased')
  expect(html).not.toMatch(/<script|https?:\/\//)
})

it('matches rows by key where both sides have them', async () => {
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const values = numbers(8 * 4, 37)
  const turned = keys.toReversed()
  const one = await writeTable('one.parquet', keys, 4, values)
  const rowsOf = (key: string): number[] => values.slice(keys.indexOf(key) * 4, keys.indexOf(key) * 4 + 4)
  const two = await writeTable('two.parquet', [...turned.slice(0, -1), 'z'], 4, [...turned.slice(0, -1).flatMap(rowsOf), 1, 2, 3, 4])
  const { answer, notes } = await compare(one, two, '--json', '--measures', 'cka,rsa')
  expect(answer.matchedBy).toBe('key')
  expect(answer.sets.map(({ rows }) => rows)).toEqual([7, 7])
  expect(between(answer, 'one', 'two').cka.debiased).toBeCloseTo(1, 12)
  expect(notes.filter(note => note.includes('without a partner'))).toHaveLength(2)
})

it('takes whole numbers for keys, and refuses keys that it cannot read', async () => {
  const order = [3, 1, 4, 15, 9, 2, 6, 5]
  const values = numbers(8 * 3, 37)
  const turned = Array.from({ length: 8 }, (_, i) => values.slice((7 - i) * 3, (8 - i) * 3)).flat()
  const write = async (name: string, keys: RawTensor, rows: readonly number[]): Promise<string> => {
    const file = path.join(folder, name)
    const x: RawTensor = { type: 'float64', dims: [8, 3], data: Float64Array.from(rows) }
    await writeNpzArrays(file, new Map(Object.entries({ keys, x })))
    return file
  }
  const ids = (of: readonly number[]): RawTensor => ({ type: 'int64', dims: [of.length], data: BigInt64Array.from(of, BigInt) })
  const [one, two] = [await write('ids-one.npz', ids(order), values), await write('ids-two.npz', ids(order.toReversed()), turned)]
  const { answer } = await compare(one, two, '--json', '--measures', 'cka')
  expect([answer.matchedBy, between(answer, 'ids-one', 'ids-two').cka.biased]).toEqual(['key', expect.closeTo(1, 12)])
  const short = await write('ids-short.npz', ids(order.slice(1)), values)
  expect((await compare(one, short)).notes.join()).toMatch(/x in .*ids-short.npz: 8 rows, but 7 keys/)
  const wrong = await write('ids-wrong.npz', { type: 'bool', dims: [8], data: new Uint8Array(8) }, values)
  expect((await compare(one, wrong)).notes.join()).toMatch(/keys in .*ids-wrong.npz: values of type \|b1, expected texts/)

  const cells = order.toReversed()
  const columns = [0, 1, 2].map(j => ({ name: `x${j}`, type: 'number' as const, cells: cells.map((_, i) => turned[i * 3 + j]) }))
  for (const keys of [
    { name: 'key', type: 'whole' as const, cells },
    { name: '__index_level_0__', type: 'text' as const, cells: cells.map(String) },
  ]) {
    const table = path.join(folder, `${keys.name}.parquet`)
    await writeFile(table, encodeTable([keys, ...columns]))
    const found = (await compare(one, table, '--json', '--measures', 'cka')).answer
    expect([found.matchedBy, found.sets[1]!.columns, found.pairs[0]!.cka.biased], keys.name).toEqual(['key', 3, expect.closeTo(1, 12)])
  }
})

it('predicts targets, and correlates dissimilarities with one set held constant', async () => {
  const a = await writeNpy('p.npy', 20, 6, numbers(120, 37))
  const b = await writeNpy('q.npy', 20, 6, numbers(120, 41))
  const held = await writeNpy('held.npy', 20, 3, numbers(60, 53))
  const sums = Array.from({ length: 20 }, (_, i) => numbers(120, 37)[i * 6]! + 3 * numbers(120, 37)[i * 6 + 1]!)
  const targets = await writeNpy('targets.npy', 20, 1, sums)
  const out = path.join(folder, 'predicted')
  const args = [a, b, held, '--targets', targets, '--partial', 'held', '--folds', '4', '--measures', 'rsa', '--json', '--out', out]
  const { code, answer, notes } = await compare(...args)
  expect([code, notes.join()]).toEqual([0, expect.any(String)])
  const [ab, az, bz] = [between(answer, 'p', 'q'), between(answer, 'p', 'held'), between(answer, 'q', 'held')].map(
    ({ rsa }) => rsa.pearson!,
  )
  const expected = (ab! - az! * bz!) / Math.sqrt((1 - az! ** 2) * (1 - bz! ** 2))
  expect(between(answer, 'p', 'q').rsa.partial!.pearson).toBeCloseTo(expected, 12)
  expect(between(answer, 'p', 'held').rsa.partial).toBeUndefined()
  const [first, second] = answer.predictivity!
  expect([first!.set, first!.targets, first!.penalties.length]).toEqual(['p', 'targets', 4])
  expect(first!.r2.mean).toBeGreaterThan(0.95)
  expect(second!.r2.mean).toBeLessThan(0.9)
  expect(await readFile(path.join(out, 'predictivity.csv'), 'utf8')).toMatch(/^set,r2 mean/)
  expect(await compare(a, b, '--partial', 'c', '--json')).toMatchObject({ code: 2 })
})

it('goes on from what a comparison that was ended had written', async () => {
  const store = new MemoryStore()
  const journal = await openJournal(store, 'one')
  await journal.set('rsa', 3, { spearman: 0.1 + 0.2, pearson: null })
  await journal.flush()
  const again = await openJournal(store, 'one')
  expect([again.get('rsa', 3), again.get('rsa', 4)]).toEqual([{ spearman: 0.1 + 0.2, pearson: null }, undefined])
  expect((await openJournal(store, 'another')).get('rsa', 3)).toBeUndefined()
  await again.finish()
  expect((await openJournal(store, 'one')).get('rsa', 3)).toBeUndefined()
  await store.put('progress.json', '{"key": "one", "val')
  expect((await openJournal(store, 'one')).get('rsa', 3)).toBeUndefined()
})

it('begins with what the blocks of the same comparison have found, and clears them away', async () => {
  const objects = new Map<string, Uint8Array>()
  const store = new MemoryStore(objects)
  for (const [block, key] of [
    [1, 'one'],
    [2, 'another'],
    [3, 'one'],
  ] as const) {
    const journal = await openJournal(store, key, { block })
    await journal.set('rsa', block, { pearson: block / 7 })
    await journal.flush()
  }
  const whole = await openJournal(store, 'one')
  expect([1, 2, 3].map(pair => whole.get('rsa', pair))).toEqual([{ pearson: 1 / 7 }, undefined, { pearson: 3 / 7 }])
  // A block that is begun again knows its own values alone.
  const again = await openJournal(store, 'one', { block: 3 })
  expect([1, 3].map(pair => again.get('rsa', pair))).toEqual([undefined, { pearson: 3 / 7 }])
  await whole.finish()
  expect([...objects.keys()]).toEqual([])
})

it('names what is undefined, and never says NaN', async () => {
  const a = await writeNpy('rows.npy', 5, 3, [0, 0, 0, 1, 2, 3, 2, 2, 2, 0, 0, 0, 1, 5, 2])
  const flat = await writeNpy(
    'flat.npy',
    5,
    3,
    Array.from({ length: 15 }, () => 0.1),
  )
  const { answer } = await compare(a, flat, '--json', '--rdm', 'cosine')
  expect(answer.sets[0]!.undefinedRows).toEqual([0, 3])
  const pair = between(answer, 'rows', 'flat')
  expect([pair.cka.biased, pair.cka.debiased, pair.rsa.pearson, pair.rsa.kendallTauA]).toEqual([null, null, null, null])
  expect(pair.notDefined!.length).toBeGreaterThan(2)
  expect(JSON.stringify(answer)).not.toContain('NaN')
})

it('is told of a queue with a folder for what its servers find, and without a server of another', async () => {
  const a = await writeNpy('queue.npy', 5, 2, numbers(10, 37))
  const queue = ['--queue', 'redis://127.0.0.1:1']
  const alone = await compare(a, ...queue)
  expect([alone.code, alone.notes.join('\n')]).toEqual([2, expect.stringMatching(/--queue: expected --out.*\n.*s3:\/\/bucket\/prefix/)])
  const both = await compare('extract-1', ...queue, '--server', 'http://127.0.0.1:1')
  expect([both.code, both.notes.join('\n')]).toEqual([2, expect.stringMatching(/expected one of --queue and --server, got both/)])
  // Nothing is read for a queue that is none.
  expect((await compare('missing.npy', '--out', path.join(folder, 'q'), '--queue', 'http://a')).notes.join('\n')).toMatch(/QUEUE_URL/)
  // One that is embedded is nobody else's, and one of the environment is for those that write results.
  expect(await compare(a, '--json', '--queue', 'embedded')).toMatchObject({ code: 0 })
  vi.stubEnv('LAYERMILL_QUEUE', 'http://a')
  try {
    expect(await compare(a, '--json')).toMatchObject({ code: 0 })
    expect((await compare(a, '--out', path.join(folder, 'q'))).notes.join('\n')).toMatch(/QUEUE_URL/)
  } finally {
    vi.unstubAllEnvs()
  }
})

it('does a block for a command that has begun the comparison in the same folder with the same numbers alone', async () => {
  const store = new MemoryStore()
  await expect(requireBegun(store)).rejects.toMatchObject({ code: 'NOT_RECORDED' })
  const whole = await openJournal(store, 'one')
  await whole.begin()
  await requireBegun(store, 'one')
  await expect(requireBegun(store, 'another')).rejects.toMatchObject({ code: 'FEATURES_INVALID' })
  const block = await openJournal(store, 'one', { block: 2, isForAnother: true })
  await block.set('rsa', 1, { pearson: 1 })
  expect(await endedBlocks(store, 'one', [1, 2])).toEqual([])
  await block.end()
  expect([await endedBlocks(store, 'one', [1, 2]), await endedBlocks(store, 'another', [2])]).toEqual([[2], []])
  // Somebody whose block was done by another one meanwhile leaves nothing behind.
  const late = await openJournal(store, 'one', { block: 3, isForAnother: true })
  await late.set('rsa', 5, { pearson: 0 })
  await whole.finish()
  await expect(late.end()).rejects.toMatchObject({ code: 'NOT_RECORDED' })
  expect(await endedBlocks(store, 'one', [2, 3])).toEqual([])
})

it('refuses what cannot be compared, by name', async () => {
  const a = await writeNpy('five.npy', 5, 2, numbers(10, 37))
  const b = await writeNpy('six.npy', 6, 2, numbers(12, 37))
  const bad = await writeNpy('bad.npy', 5, 2, [1, 2, 3, NaN, 5, 6, 7, 8, 9, 10])
  expect((await compare(a, b)).notes.join('\n')).toMatch(/six has 6 rows, five 5/)
  expect((await compare(a, bad)).notes.join('\n')).toMatch(/bad: row 1 has a number that is not finite/)
  expect(await compare(a, '--rdm', 'l1')).toMatchObject({ code: 2 })
  expect(await compare(a, '--measures', 'ckas')).toMatchObject({ code: 2 })
})
