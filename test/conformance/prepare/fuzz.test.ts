import { readdir, readFile } from 'node:fs/promises'
import { LayermillError, Random } from '@layermill/core'
import { decodeImage, pictureSize } from '@layermill/preprocess'
import { expect, it } from 'vitest'

const codes = [
  'IMAGE_EMPTY',
  'IMAGE_NOT_AN_IMAGE',
  'IMAGE_TRUNCATED',
  'IMAGE_CORRUPT',
  'IMAGE_TOO_LARGE',
  'IMAGE_UNSUPPORTED',
  'IMAGE_TIMEOUT',
]
/** Set PREPARE_FUZZ_CASES to try more or fewer, PREPARE_FUZZ_SEED to try others. */
const cases = Number(process.env['PREPARE_FUZZ_CASES'] ?? 5000)
const seed = process.env['PREPARE_FUZZ_SEED'] ?? '1'

/** Of a picture, so that a mutation that enlarges it stays affordable. */
const maxPixels = 20_000_000
const timeoutMs = 20_000
/** Bytes that the process may grow by: two pictures of that size, and what the decoders keep. */
const mostGrowth = 700 * 2 ** 20

type Mutation = (bytes: Buffer, random: Random) => Buffer

/** Half of the places are in the first 256 bytes, where the headers are. */
const place = (bytes: Buffer, random: Random): number => random.below(random.below(2) === 0 ? Math.min(256, bytes.length) : bytes.length)

const mutations: Record<string, Mutation> = {
  truncate: (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  flip: (bytes, random) => {
    const count = 1 + random.below(20)
    for (let i = 0; i < count; i++) bytes[place(bytes, random)]! ^= 1 << random.below(8)
    return bytes
  },
  overwrite: (bytes, random) => {
    const at = place(bytes, random)
    return bytes.fill(random.below(4) === 0 ? 0xff : random.below(256), at, Math.min(bytes.length, at + 1 + random.below(64)))
  },
  remove: (bytes, random) => {
    const at = place(bytes, random)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(64))])
  },
  insert: (bytes, random) => {
    const at = place(bytes, random)
    const noise = Buffer.from(Array.from({ length: 1 + random.below(64) }, () => random.below(256)))
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)])
  },
  repeat: (bytes, random) => {
    const [from, to] = [place(bytes, random), place(bytes, random)].toSorted((a, b) => a - b) as [number, number]
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)])
  },
}

async function samples(): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const folder of ['images/', 'formats/', 'read/', 'refused/']) {
    const base = new URL(folder, import.meta.url)
    for (const name of (await readdir(base)).toSorted()) files.set(folder + name, await readFile(new URL(name, base)))
  }
  return files
}

async function outcomeOf(bytes: Buffer): Promise<string> {
  try {
    // A header that cannot be read is no error by itself.
    pictureSize(bytes)
    const image = await decodeImage(bytes, { maxPixels: maxPixels, timeoutMs: timeoutMs })
    return image.data.length === image.width * image.height * 3 ? 'decoded' : 'decoded to the wrong length'
  } catch (error) {
    return error instanceof LayermillError ? error.code : `threw ${String(error)}`
  }
}

it(`damaged files give pictures or these codes, never anything else (seed ${seed}, ${cases} cases)`, async () => {
  const files = [...(await samples())]
  const kinds = Object.keys(mutations)
  const examples = new Map<string, string>()
  const before = process.memoryUsage.rss()
  let largest = before
  for (let i = 0; i < cases; i++) {
    const random = new Random(`${seed} ${i}`)
    const [name, original] = files[i % files.length]!
    const kind = kinds[random.below(kinds.length)]!
    examples.set(await outcomeOf(mutations[kind]!(Buffer.from(original), random)), `${name}, ${kind}, case ${i} of seed ${seed}`)
    largest = Math.max(largest, process.memoryUsage.rss())
  }
  for (const [outcome, example] of examples) expect(['decoded', ...codes], example).toContain(outcome)
  // The damage must be of all sorts, or the test would say little.
  expect([...examples.keys()]).toEqual(
    expect.arrayContaining(['decoded', 'IMAGE_TRUNCATED', 'IMAGE_CORRUPT', 'IMAGE_NOT_AN_IMAGE', 'IMAGE_UNSUPPORTED']),
  )
  expect([...examples.keys()]).not.toContain('IMAGE_TIMEOUT')
  expect(largest - before).toBeLessThan(mostGrowth)
})
