import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type CliResult, startCli } from '../helpers/cli.js'
import { benchImages } from './images.js'
import { hasNumpy, pytorch } from './pytorch.js'

const images = Number(process.env['LAYERMILL_BENCH_COMPARE_IMAGES'] ?? 3200)
const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`

/** A process and those that it started, as the kernel tells. */
async function familyOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const children = text.split(' ').filter(Boolean).map(Number)
  return [pid, ...(await Promise.all(children.map(familyOf))).flat()]
}

interface Measured {
  readonly result: CliResult
  readonly seconds: number
  /** Most that one of its processes had in memory. */
  readonly peakBytes: number
}

async function measured(...args: readonly string[]): Promise<Measured> {
  const started = performance.now()
  const { pid, ended } = startCli(args)
  let running = true
  const end = ended.finally(() => {
    running = false
  })
  let kilobytes = 0
  while (running) {
    for (const each of await familyOf(pid)) {
      const status = await readFile(`/proc/${each}/status`, 'utf8').catch(() => '')
      kilobytes = Math.max(kilobytes, Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0))
    }
    await Promise.race([pause(100), end])
  }
  const result = await end
  if (result.code !== 0) throw new Error(`${args[0]} ended with ${result.code}: ${result.stderr}`)
  return { result, seconds: (performance.now() - started) / 1000, peakBytes: kilobytes * 1024 }
}

async function bytesOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true })
  const sizes = await Promise.all(names.map(async name => stat(join(folder, name)).then(found => (found.isFile() ? found.size : 0))))
  return sizes.reduce((sum, size) => sum + size, 0)
}

interface Answer {
  readonly sets: readonly { readonly name: string }[]
  readonly pairs: readonly {
    readonly a: string
    readonly b: string
    readonly cka: { readonly biased: number; readonly debiased: number }
  }[]
}

/**
 * All layers of VGG16, reduced to 4,096 numbers, of LAYERMILL_BENCH_COMPARE_IMAGES images (3,200) of 224 x 224, then linear CKA of all pairs
 * of them: the most memory of a process, the bytes of the results, and the values against NumPy's in float64 on the same files.
 */
export async function benchAllLayers(): Promise<void> {
  const folder = resolve('.tmp/bench/compare-all')
  await rm(join(folder, 'out'), { recursive: true, force: true })
  console.log(`all layers of VGG16 of ${images} images (LAYERMILL_BENCH_COMPARE_IMAGES for others; 3,200 take an hour or two on two cores)`)
  const source = await benchImages(join(folder, `images-${images}`), images, 224, 224)
  const out = join(folder, 'out')
  const network = ['--model', 'vgg16', '--weights', 'random:1', '--layers', 'all', '--reduce', 'srp:4096', '--device', 'cpu']
  const extracted = await measured('extract', source, ...network, '--out', out)
  const disk = await bytesOf(out)
  console.log(
    `  extract    ${extracted.seconds.toFixed(0)} s, ${mebibytes(extracted.peakBytes)} at the peak; target < 1024 MiB`,
    `\n  results    ${mebibytes(disk)}, ${mebibytes((disk / images) * 3200)} for 3,200 images; target < 3 GB`,
  )
  const compared = await measured('compare', out, '--measures', 'cka', '--json')
  const { sets, pairs } = JSON.parse(compared.result.stdout) as Answer
  const between = pairs.filter(({ a, b }) => a !== b).map(({ cka }) => [cka.biased, cka.debiased])
  console.log(
    `  compare    ${sets.length} layers, ${pairs.length} pairs: ${compared.seconds.toFixed(0)} s, ${mebibytes(compared.peakBytes)} at the peak`,
  )
  if (await hasNumpy()) {
    const folders = sets.map(({ name }) => join(out, 'features', name.replaceAll('/', '.')))
    const theirs = await pytorch<{ pairs: number[][]; seconds: number; cpuSeconds: number; peakBytes: number }>(
      'numpy_compare_all.py',
      ...folders,
    )
    console.log(
      `  NumPy      ${theirs.seconds.toFixed(0)} s, ${theirs.cpuSeconds.toFixed(0)} s of CPU, ${mebibytes(theirs.peakBytes)} at the peak, Gram matrices in a file`,
    )
    // Debiased values of unrelated layers are near 0: their difference is taken as it is.
    const apart = (of: 0 | 1): number => Math.max(...between.map((pair, i) => Math.abs(pair[of]! - theirs.pairs[i]![of]!)))
    console.log(`largest difference: biased ${apart(0).toExponential(1)}, debiased ${apart(1).toExponential(1)}; target <= 1e-6`)
  }
  await rm(out, { recursive: true, force: true })
}
