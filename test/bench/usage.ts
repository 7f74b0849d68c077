import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cpuKind, hasInt8Instructions } from '@layermill/engines'
import { getNetwork } from '@layermill/models'
import { loadWeights, writeWeightsSafetensors } from '@layermill/weights'

const pack = process.env['LAYERMILL_TEST_PACKAGE']
/** The command as it is published, where `npm run bench` has laid it out. */
const main =
  pack === undefined ? join(dirname(createRequire(import.meta.url).resolve('layermill')), 'main.js') : join(pack, 'bin/layermill.js')
/** Environment that the command's first line gives it: a start by path to Node.js leaves the line out. */
const [firstLine = ''] = readFileSync(join(dirname(main), '../bin/layermill.js'), 'utf8').split('\n', 1)
const heaps: NodeJS.ProcessEnv = Object.fromEntries(
  [...firstLine.matchAll(/(MALLOC_\w+)=(\d+)/g)].map(([, name, value]) => [name ?? '', value]),
)
const report = new URL('./usage-report.js', import.meta.url).href

/** Whole process, from its start to its end. */
export interface Usage {
  /** Of all threads, user and system. */
  readonly cpuSeconds: number
  readonly seconds: number
  /** As the kernel counts it (VmHWM). */
  readonly peakBytes: number
}

/** Runs a command in a process of its own; `out` among its arguments is an empty folder, which is deleted afterwards. */
export async function commandUsage(args: readonly string[]): Promise<Usage> {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-bench-'))
  const path = join(folder, 'usage.json')
  try {
    const given = args.map(arg => (arg === 'out' ? join(folder, 'out') : arg))
    const started = performance.now()
    const env = { ...process.env, ...heaps, LAYERMILL_BENCH_USAGE: path }
    await promisify(execFile)(process.execPath, ['--import', report, main, ...given], { env, maxBuffer: 1 << 26 })
    const seconds = (performance.now() - started) / 1000
    return { seconds, ...(JSON.parse(await readFile(path, 'utf8')) as Omit<Usage, 'seconds'>) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Starts a command that runs until it is ended, as it is published. */
export const startCommand = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [main, ...args], { env: { ...process.env, ...heaps }, stdio: 'ignore' })

/** A network's weights as a file on this disk, and the bytes that they take. */
export async function weightsOnDisk(folder: string, model: string): Promise<{ path: string; bytes: number }> {
  const { tensors, ...weights } = await loadWeights(model, 'random:1')
  const path = join(folder, `${model}.safetensors`)
  await writeWeightsSafetensors(path, getNetwork(model), { tensors, ...weights })
  return { path, bytes: [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0) }
}

/** Processor of this machine, and what decides how fast it computes. */
export async function machine(): Promise<string> {
  const int8 = (await hasInt8Instructions()) === true ? 'with' : 'without'
  return `${cpus().length} x ${cpus()[0]?.model ?? 'processor'}, ${await cpuKind()}, ${int8} 8-bit products`
}

export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
