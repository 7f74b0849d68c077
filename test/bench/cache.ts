import { resolve } from 'node:path'
import { benchImages } from './images.js'
import { inProcess } from './measure.js'

const images = 256
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

/**
 * `npm run bench -- cache`: a run over images that the feature cache has, against the run that put them there and one without a cache, from
 * JPEG files to feature files. The results of all three are the same bytes.
 */
export async function benchCache(): Promise<void> {
  const folder = await benchImages(resolve('.tmp/bench/cache-images'), images)
  console.log(`feature cache in a folder, ${images} JPEGs of 500x375, batches of 8; target: second run >= 20 times as fast as the first\n`)
  console.log(['model/layer', 'no cache', 'first run', 'second run', 'cached', 'first/second'].map((name, i) => (i === 0 ? name.padEnd(18) : name.padStart(13))).join(''))
  for (const { model, layer } of cases) {
    const { plain, first, second, cached } = await inProcess<Seconds>('./cache-step.js', model, layer, folder)
    const cells = [`${plain.toFixed(1)} s`, `${first.toFixed(1)} s`, `${second.toFixed(2)} s`, String(cached), (first / second).toFixed(0)]
    console.log(`${model}/${layer}`.padEnd(18) + cells.map(cell => cell.padStart(13)).join(''))
  }
}
