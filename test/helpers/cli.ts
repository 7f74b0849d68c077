import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type CliResult, runHosted } from './command-hosts.js'

export type { CliResult } from './command-hosts.js'

const dist = dirname(createRequire(import.meta.url).resolve('layermill'))
const builtFile = join(dist, '..', 'bin/layermill.js')

/**
 * The command as users start it. The bootstrap stages the package as it is published, whose bundled modules load in less time; without it,
 * as under `npx vitest`, it runs what was built.
 */
export const cliFile =
  process.env.LAYERMILL_TEST_PACKAGE === undefined ? builtFile : join(process.env.LAYERMILL_TEST_PACKAGE, 'bin/layermill.js')

/**
 * The module that commands run by `runCli` load, once for each: of the bundle where the package is staged, whose other modules load in
 * less time.
 */
const mainFile = cliFile === builtFile ? join(dist, 'main.js') : join(dirname(cliFile), '../dist/bundle/dist-main.js')

export interface CliOptions {
  /** Node's own flags. */
  readonly nodeArgs?: readonly string[]
  /** A shell line that ends in `exec "$@"`, for limits of the process. */
  readonly shell?: string
  readonly env?: Readonly<Record<string, string>>
  /** Folder that it runs in. */
  readonly cwd?: string
  /** Runs what was built in the workspace, module by module, also where the package is staged. */
  readonly isBuilt?: boolean
}

export interface CliProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** Text that it has written to standard error so far. */
  stderr(): string
  /** Text that it has written to standard output and error so far, as it came. */
  output(): string
  readonly ended: Promise<CliResult>
}

/** Tests share one home, so that what is kept there (the embedded queue's snapshot) is made once, and none has a user's weights. */
const home = join(tmpdir(), 'layermill-test-home')

/** Starts the command in a process of its own. */
export function startCli(args: readonly string[], options: CliOptions = {}): CliProcess {
  const program = options.isBuilt === true ? builtFile : cliFile
  const command = [process.execPath, ...(options.nodeArgs ?? []), program, ...args]
  const [file, ...rest] = options.shell === undefined ? command : ['/bin/sh', '-c', options.shell, 'sh', ...command]
  const child = spawn(file!, rest, {
    env: { ...process.env, LAYERMILL_HOME: home, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd && { cwd: options.cwd }),
  })
  const text = { stdout: '', stderr: '' }
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.stdout += chunk
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.stderr += chunk
    output += chunk
  })
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...text }))
  })
  return { child, pid: child.pid!, stderr: () => text.stderr, output: () => output, ended }
}

/**
 * Runs the command to its end: in a process that runs other commands of the test too, so that starting and loading are paid once. Where
 * flags of Node or limits are given, and with `startCli`, it has a process of its own.
 */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  if (options.nodeArgs !== undefined || options.shell !== undefined) return startCli(args, options).ended
  return runHosted(mainFile, args, { ...process.env, LAYERMILL_HOME: home, ...options.env }, options.cwd)
}

/** A small network at a small size, on the CPU, whose every weight is known: what most tests run. */
export function smallRun(source: string, out: string, ...more: readonly string[]): string[] {
  const network = ['--model', 'googlenet', '--weights', 'random:1', '--layers', 'conv2', '--size', '32x32', '--device', 'cpu']
  return ['extract', source, ...network, '--out', out, ...more]
}
