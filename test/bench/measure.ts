import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface Cost {
  /** Wall-clock. */
  readonly seconds: number
  /** Of all threads, user and system. */
  readonly cpuSeconds: number
}

/** Runs an action and measures it. */
export async function cost(action: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await action()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 }
}

/** Runs a step of a benchmark in a process of its own, so that nothing else's threads count, and reads the JSON of its last line. */
export async function inProcess<Result>(module: string, ...args: string[]): Promise<Result> {
  const file = fileURLToPath(new URL(module, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { maxBuffer: 1 << 26 })
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Result
}

/** The middle one of some measurements. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
