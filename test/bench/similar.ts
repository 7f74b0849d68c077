import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { featurePath, indexPath } from '@layermill/contracts'
import { searchFeatures } from '@layermill/orchestrator/features'
import { createPartWriter, encodeIndex, openStore } from '@layermill/storage'
import { uniform } from '@layermill/weights'
import { type Cost, cost, median } from './measure.js'

const length = 2048
const rowsAPart = 512
/** 420 MB of vectors: more than any cache of a processor, less than the system's cache of files. */
const parts = 100
const turns = 5
const layer = 'pool5'

/** Makes parts of vectors, once. */
async function vectors(folder: string): Promise<void> {
  const store = openStore(folder)
  const values = Float32Array.from({ length: 2 * length }, (_, i) => uniform('bench:similar', i))
  for (let part = 0; part < parts; part++) {
    if ((await store.stat(indexPath(part))) !== undefined) continue
    const keys = Array.from({ length: rowsAPart }, (_, row) => `${part}/${row}.jpg`)
    const writer = createPartWriter({ format: 'npy', dtype: 'float32', part, layers: [{ layer, rowShape: [length] }], keys })
    keys.forEach((_, row) => writer.setRow(layer, row, values.subarray((part * 31 + row) % length, ((part * 31 + row) % length) + length)))
    for (const { path, bytes } of writer.finish(keys, [])) await store.put(path, bytes)
    const index = keys.map((key, row) => ({ key, part, row, width: 1, height: 1, sha256: '0'.repeat(64) }))
    await store.put(indexPath(part), encodeIndex(index))
  }
}

/** Reads files one after the other into the same memory; bytes. */
async function readAll(folder: string): Promise<number> {
  const target = new Uint8Array(1 << 22)
  let bytes = 0
  for (const name of await readdir(folder)) {
    await using file = await open(join(folder, name))
    for (let read = 1; read > 0; bytes += read) read = (await file.read(target, 0, target.length)).bytesRead
  }
  return bytes
}

/** `npm run bench -- similar`: a search over stored vectors against a plain read of the same files. */
export async function benchSimilar(): Promise<void> {
  const folder = resolve('.tmp/bench/similar')
  await mkdir(folder, { recursive: true })
  await vectors(folder)
  const files = join(folder, featurePath(layer, 0, 'npy'), '..')
  const { size } = await stat(join(folder, featurePath(layer, 0, 'npy')))
  const place = { layer, format: 'npy', rowShape: [length] } as const
  const set = {
    store: openStore(folder),
    layer: { name: layer, shape: [length], dtype: 'float32', bytesPerImage: length * 4 },
    dimensions: length,
    place,
    parts: Array.from({ length: parts }, (_, part) => part),
  }
  const query = Float32Array.from({ length }, (_, i) => uniform('bench:query', i))
  for (const metric of ['cosine', 'l2'] as const) {
    const reads: Cost[] = []
    const searches: Cost[] = []
    for (let turn = 0; turn < turns; turn++) {
      reads.push(await cost(async () => void (await readAll(files))))
      searches.push(await cost(async () => void (await searchFeatures(set, query, { metric, top: 10 }))))
    }
    const rate = (costs: readonly Cost[], by: 'seconds' | 'cpuSeconds'): number =>
      (size * parts) / 1e9 / median(costs.map(each => each[by]))
    const ratio = (by: 'seconds' | 'cpuSeconds'): string => (rate(searches, by) / rate(reads, by)).toFixed(2)
    const rates = [searches, reads].map(costs => `${rate(costs, 'seconds').toFixed(2)} GB/s`)
    console.log(
      `${metric.padEnd(8)}${rates[0]}, plain read ${rates[1]}: ratio ${ratio('seconds')} (target 0.7), by CPU ${ratio('cpuSeconds')}`,
    )
  }
}
