/**
 * Runs the same extraction three times in one process: without a cache, with an empty one, and again with what that one has. Prints the
 * seconds as JSON.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ExtractSpec, parseSpec } from '@layermill/contracts'
import { openRun, superviseRun } from '@layermill/orchestrator/run'
import { openStore, sha256Hex } from '@layermill/storage'
import { compose } from 'layermill'
import { cost } from './measure.js'

const [model, layer, folder, cacheUrl] = process.argv.slice(2) as [string, string, string, string?]
const out = await mkdtemp(join(tmpdir(), 'layermill-bench-'))
const cache = cacheUrl ?? join(out, 'cache')
const composition = compose({ engine: 'onnx', device: 'cpu', note: text => console.error(text) })
const { environment } = composition

async function extract(source: string, name: string, cached: boolean): Promise<{ cached: number | undefined; hashes: string }> {
  const spec = parseSpec({
    kind: 'extract',
    source,
    model,
    weights: 'random:1',
    layers: [layer],
    out: join(out, name),
    batchSize: 8,
    ...(cached ? { cache } : {}),
  }) as ExtractSpec
  const store = await environment.openStore(spec.out)
  const { record } = await openRun(spec, store, environment)
  const { counts } = await superviseRun(record, { environment, store, signal: new AbortController().signal })
  let hashes = ''
  for await (const { key } of openStore(spec.out).list('commits/')) hashes += sha256Hex((await store.get(key))!)
  return { cached: counts.cached, hashes }
}

/** Seconds of a run, and what it came to. */
async function timed(name: string, cached: boolean): Promise<{ seconds: number; cached: number | undefined; hashes: string }> {
  let result: { cached: number | undefined; hashes: string } = { cached: undefined, hashes: '' }
  const { seconds } = await cost(async () => {
    result = await extract(folder, name, cached)
  })
  return { seconds, ...result }
}

try {
  // Weights and session are warm, as on a worker.
  await extract(join(folder, '0000*.jpg'), 'warm-up', false)
  const plain = await timed('plain', false)
  const first = await timed('first', true)
  const second = await timed('second', true)
  if (new Set([plain.hashes, first.hashes, second.hashes]).size !== 1) throw new Error('the runs have different results')
  console.log(JSON.stringify({ plain: plain.seconds, first: first.seconds, second: second.seconds, cached: second.cached }))
} finally {
  await composition.close()
  await rm(out, { recursive: true })
}
