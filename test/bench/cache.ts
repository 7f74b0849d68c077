import { resolve } from 'node:path'
import { createBucket } from '@layermill/storage/testing'
import { benchImages } from './images.js'
import { inProcess } from './measure.js'
import { startService } from './service.js'

const images = 192
const cases = [
  { model: 'resnet50', layer: 'pool5' },
  { model: 'resnet50', layer: 'res4' },
  { model: 'googlenet', layer: 'pool5' },
] as const

interface Seconds {
  readonly plain: number
  readonly first: number
  readonly second: number
  readonly cached: number
}

const widths = [18, 8, 13, 13, 13, 10, 14]
const line = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('')

async function measure(model: string, layer: string, folder: string, cache?: string): Promise<void> {
  const { plain, first, second, cached } = await inProcess<Seconds>(
    './cache-step.js',
    model,
    layer,
    folder,
    ...(cache === undefined ? [] : [cache]),
  )
  const where = cache === undefined ? 'folder' : 'S3'
  console.log(
    line([
      `${model}/${layer}`,
      where,
      `${plain.toFixed(1)} s`,
      `${first.toFixed(1)} s`,
      `${second.toFixed(2)} s`,
      String(cached),
      (first / second).toFixed(0),
    ]),
  )
}

/**
 * `npm run bench -- cache`: a run over images that the feature cache has, against the run that put them there and one without a cache, from
 * JPEG files to feature files. The results of all three are the same bytes. The cache is in a folder, and on an S3 server on this machine.
 */
export async function benchCache(): Promise<void> {
  const folder = await benchImages(resolve('.tmp/bench/cache-images'), images)
  console.log(`feature cache, ${images} JPEGs of 500x375, batches of 8; target: second run >= 20 times as fast as the first\n`)
  console.log(line(['model/layer', 'cache', 'no cache', 'first run', 'second run', 'cached', 'first/second']))
  for (const { model, layer } of cases) await measure(model, layer, folder)
  const server = await startService<Record<string, string>>('radosgw')
  try {
    Object.assign(process.env, server.described)
    await createBucket('bench-cache')
    await measure('googlenet', 'pool5', folder, 's3://bench-cache/cache')
  } finally {
    await server.stop()
  }
}
