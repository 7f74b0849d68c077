import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'

export type Hashes = Readonly<Partial<Record<'sha256' | 'sha1' | 'md5', string>>>

/** Hashes of a file, read once: SHA-256 always, others as asked. */
export async function hashFile(path: string, asked: Hashes, signal?: AbortSignal): Promise<Hashes & { sha256: string }> {
  const names = ['sha256', ...(['sha1', 'md5'] as const).filter(name => asked[name] !== undefined && asked.sha256 === undefined)]
  const running = new Map<string, Hash>(names.map(name => [name, createHash(name)]))
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal === undefined ? {} : { signal }) })
  for await (const chunk of stream as AsyncIterable<Buffer>) for (const hash of running.values()) hash.update(chunk)
  const digests = Object.fromEntries([...running].map(([name, hash]) => [name, hash.digest('hex')]))
  return { ...digests, sha256: digests['sha256']! }
}

/** The first hash that does not agree, as a sentence; undefined when all that are known agree. */
export function disagreement(found: Hashes, expected: Hashes): string | undefined {
  for (const name of ['sha256', 'sha1', 'md5'] as const) {
    const [a, b] = [found[name], expected[name]]
    if (a !== undefined && b !== undefined && a !== b.toLowerCase()) return `its ${name} is ${a}, expected ${b}`
  }
  return undefined
}
