import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { LayermillError, Random } from '@layermill/core'
import { LeftOut, openSource } from '@layermill/storage'

/**
 * A process that lists and reads damaged copies of archives and tables, and says before each which one it is at: what hangs or takes too
 * much memory ends with the process, and is known by name. Arguments: seed, first case, cases, files.
 */
const [seed = '1', first = '0', count = '1', ...files] = process.argv.slice(2)
/** Images that are read of each file; the rest is listed. */
const reads = 20

const place = (bytes: Buffer, random: Random): number => {
  const zone = random.below(3)
  const span = Math.min(512, bytes.length)
  // Headers are at the beginning, footers at the end.
  return zone === 0 ? random.below(span) : zone === 1 ? bytes.length - 1 - random.below(span) : random.below(bytes.length)
}

const mutations: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => {
    for (let left = 1 + random.below(12); left > 0; left--) bytes[place(bytes, random)]! ^= 1 << random.below(8)
    return bytes
  },
  (bytes, random) => bytes.fill(random.below(4) === 0 ? 0xff : random.below(256), place(bytes, random)).subarray(0, bytes.length),
  (bytes, random) => {
    const at = place(bytes, random)
    return bytes.fill([0, 0xff, 0x7f, 0x80][random.below(4)]!, at, Math.min(bytes.length, at + 1 + random.below(16)))
  },
  (bytes, random) => {
    const at = place(bytes, random)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(64))])
  },
  (bytes, random) => {
    const [from, to] = [place(bytes, random), place(bytes, random)]
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, from + 1 + random.below(600)), bytes.subarray(to)])
  },
]

async function outcomeOf(path: string): Promise<string> {
  try {
    const source = await openSource(path)
    const items = []
    try {
      for await (const item of source.items({ leftOut: new LeftOut() })) if (items.length < reads) items.push(item)
      for (const item of items) await source.read(item).catch(mustBeCoded)
    } finally {
      await source.close()
    }
    return 'listed'
  } catch (error) {
    return error instanceof LayermillError ? error.code : `threw ${String(error)}`
  }
}

function mustBeCoded(error: unknown): void {
  if (!(error instanceof LayermillError)) throw error
}

const folder = await mkdtemp(join(tmpdir(), 'layermill-mutated-'))
try {
  const originals = await Promise.all(files.map(async file => readFile(file)))
  for (let i = Number(first); i < Number(first) + Number(count); i++) {
    const random = new Random(`${seed} ${i}`)
    const at = i % files.length
    const path = join(folder, `case-${i}${extname(files[at]!)}`)
    await writeFile(path, mutations[random.below(mutations.length)]!(Buffer.from(originals[at]!), random))
    process.stdout.write(`${JSON.stringify({ case: i, file: files[at] })}\n`)
    const outcome = await outcomeOf(path)
    process.stdout.write(`${JSON.stringify({ case: i, outcome, bytes: process.memoryUsage().rss })}\n`)
    await rm(path)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
