import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openStore } from '@layermill/storage'
import { type RedisService, startRedis } from '../../scripts/services/redis.mjs'
import { type CliOptions, type CliProcess, type CliResult, runCli, startCli } from './cli.js'

/**
 * Resolves once the process has written what matches to standard output or error; rejects where it ends before, or says nothing for a
 * minute and a half.
 */
export function untilSaid(process: CliProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`did not say ${String(pattern)}:\n${process.output()}`)), 240_000)
    const look = (): boolean => {
      const found = pattern.exec(process.output())
      if (found === null) return false
      clearTimeout(timer)
      resolve(found[1] ?? found[0])
      return true
    }
    if (look()) return
    const onData = (): void => {
      if (look()) leave()
    }
    const leave = (): void => {
      process.child.stdout?.off('data', onData)
      process.child.stderr?.off('data', onData)
    }
    process.child.stdout?.on('data', onData)
    process.child.stderr?.on('data', onData)
    process.ended.then(({ code }) => {
      clearTimeout(timer)
      reject(new Error(`ended with ${code} without saying ${String(pattern)}:\n${process.output()}`))
    }, reject)
  })
}

/** For set-up: what a command that ended well gave. */
export function succeeded(result: CliResult): CliResult {
  if (result.code !== 0) throw new Error(`ended with ${result.code}:\n${result.stderr}`)
  return result
}

/** A Redis of its own and the processes of a fleet on it, all ended by `stop`. */
export class Fleet {
  private readonly processes: CliProcess[] = []

  private constructor(
    readonly redis: RedisService,
    private readonly options: CliOptions,
  ) {}

  static async start(options: CliOptions = {}, redis: { appendOnly?: boolean; password?: string } = {}): Promise<Fleet> {
    return new Fleet(await startRedis(redis), options)
  }

  get queue(): string {
    return this.redis.url
  }

  /** Any command, with the fleet's environment; ended by `stop` if it has not by then. */
  run(args: readonly string[], options: CliOptions = {}): CliProcess {
    const process = startCli(args, { ...this.options, ...options, env: { ...this.options.env, ...options.env } })
    this.processes.push(process)
    return process
  }

  /** A command that is run to its end, as `runCli` does, with the fleet's environment. */
  command(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return runCli(args, { ...this.options, ...options, env: { ...this.options.env, ...options.env } })
  }

  /** A worker that takes jobs by the time this resolves. */
  async worker(args: readonly string[] = [], options: CliOptions = {}): Promise<CliProcess> {
    const worker = this.run(['worker', '--queue', this.queue, '--device', 'cpu', ...args], options)
    await untilSaid(worker, /worker \S+: onnx on cpu/)
    return worker
  }

  /** Ends one process at once, as a power cut does. */
  async kill(process: CliProcess): Promise<void> {
    process.child.kill('SIGKILL')
    await process.ended
  }

  /** A server and its URL. */
  async serve(args: readonly string[] = [], options: CliOptions = {}): Promise<{ process: CliProcess; url: string }> {
    const process = this.run(['serve', '--queue', this.queue, '--port', '0', ...args], options)
    const url = await untilSaid(process, /"url":"(http:[^"]+)"/)
    await untilSaid(process, /"msg":"serving"/)
    return { process, url }
  }

  async stop(): Promise<void> {
    for (const { child } of this.processes) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await Promise.all(this.processes.map(({ ended }) => ended.catch(() => undefined)))
    await this.redis.stop()
  }
}

/** Copies what is below a store's URL into a folder. */
export async function download(url: string, folder: string): Promise<void> {
  const store = openStore(url)
  for await (const { key } of store.list('')) {
    const path = join(folder, key)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, (await store.get(key)) ?? '')
  }
  await store.close()
}
