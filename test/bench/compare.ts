import { execFile } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { npyHeader, Random } from '@layermill/core'
import { cliFile } from '../helpers/cli.js'
import { benchAllLayers } from './compare-all.js'
import { median } from './measure.js'
import { hasNumpy, pytorch } from './pytorch.js'

const rows = 3200
const columns = 4096
const rounds = 3

interface Side {
  /** Of each pair: biased, debiased. */
  readonly pairs: readonly (readonly number[])[]
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakBytes: number
}

/** Rows that share 64 directions with the other set, around 3. */
async function writeSet(file: string, name: string): Promise<void> {
  const [shared, own] = [new Random('bench:compare'), new Random(`bench:compare:${name}`)]
  const weights = Float32Array.from({ length: 64 * columns }, () => own.between(-1, 1))
  const handle = await open(file, 'w')
  try {
    await handle.write(npyHeader('<f4', [rows, columns]))
    for (let i = 0; i < rows; i++) {
      const row = Float32Array.from({ length: columns }, () => 3 + own.between(-4, 4))
      for (let k = 0; k < 64; k++) {
        const factor = shared.between(-1, 1)
        for (let j = 0; j < columns; j++) row[j]! += factor * weights[k * columns + j]!
      }
      await handle.write(new Uint8Array(row.buffer))
    }
  } finally {
    await handle.close()
  }
}

/** Tells at its end what a process took, without a change to the command. */
const report = `data:text/javascript,${encodeURIComponent(`import { writeSync } from 'node:fs'
process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  const cost = { seconds: performance.now() / 1000, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakBytes: maxRSS * 1024 }
  writeSync(2, '\\n' + JSON.stringify(cost))
})`)}`

async function ours(files: readonly string[]): Promise<Side> {
  const args = ['--import', report, cliFile, 'compare', ...files, '--measures', 'cka', '--json']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  const { pairs } = JSON.parse(stdout) as { pairs: { a: string; b: string; cka: { biased: number; debiased: number } }[] }
  const measured = JSON.parse(stderr.trim().split('\n').at(-1)!) as Omit<Side, 'pairs'>
  return { ...measured, pairs: pairs.filter(({ a, b }) => a !== b).map(({ cka }) => [cka.biased, cka.debiased]) }
}

const say = (name: string, { seconds, cpuSeconds, peakBytes }: Side): void =>
  console.log(
    `  ${name.padEnd(10)} ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU, ${Math.round(peakBytes / 2 ** 20)} MiB at the peak`,
  )

/**
 * `npm run bench -- compare`: linear CKA of two sets of 3,200 rows of 4,096 columns by the command, start included, and by NumPy in float64
 * on the same files, sides in turn; then all layers of VGG16. NumPy's is left out where Python has none.
 */
export async function benchCompare(): Promise<void> {
  const folder = resolve('.tmp/bench/compare')
  await mkdir(folder, { recursive: true })
  const files = ['a', 'b'].map(name => `${folder}/${name}.npy`)
  for (const [i, file] of files.entries()) await writeSet(file, String(i))
  const numpy = await hasNumpy()
  const [mine, theirs]: [Side[], Side[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    mine.push(await ours(files))
    say('layermill', mine.at(-1)!)
    if (!numpy) continue
    theirs.push(await pytorch<Side>('numpy_compare.py', ...files))
    say('NumPy', theirs.at(-1)!)
  }
  await rm(folder, { recursive: true, force: true })
  if (numpy) sayRatios(mine, theirs)
  else console.log('no NumPy in this Python: set LAYERMILL_BENCH_PYTHON to one that has it')
  await benchAllLayers()
}

function sayRatios(mine: readonly Side[], theirs: readonly Side[]): void {
  const ratio = (of: (side: Side) => number): string => (median(mine.map(of)) / median(theirs.map(of))).toFixed(2)
  const apart = Math.max(...mine[0]!.pairs.flat().map((value, i) => Math.abs(value / theirs[0]!.pairs.flat()[i]! - 1)))
  console.log(`CPU seconds over NumPy's ${ratio(side => side.cpuSeconds)}, wall-clock ${ratio(side => side.seconds)}; target <= 1`)
  console.log(`memory over NumPy's ${ratio(side => side.peakBytes)}; target <= 0.33`)
  console.log(`largest relative difference ${apart.toExponential(1)}; target <= 1e-6`)
}
