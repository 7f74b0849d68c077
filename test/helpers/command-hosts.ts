import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath, pathToFileURL } from 'node:url'

export interface CliResult {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const hostFile = fileURLToPath(new URL('./command-host.mjs', import.meta.url))
/** Idle hosts that are kept; each has the modules of the command in memory. */
const mostIdle = 2
/** Commands after which a host is replaced, so that what its threads leave in memory does not grow without end. */
const mostCommands = 60

/** A process that runs command lines one after another. */
class CommandHost {
  private readonly child: ChildProcess
  private readonly mark = randomUUID()
  private readonly text = { stdout: '', stderr: '' }
  private arrived: () => void = () => undefined
  private exit: [number | null, NodeJS.Signals | null] | undefined
  commands = 0

  constructor(
    readonly environment: string,
    main: string,
    readonly cwd: string,
  ) {
    this.child = fork(hostFile, [pathToFileURL(main).href, this.mark], {
      cwd,
      env: JSON.parse(environment) as Record<string, string>,
      // The embedded queue is a megabyte of WebAssembly, whose optimisation takes longer than it saves in a test.
      execArgv: ['--liftoff-only'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const name of ['stdout', 'stderr'] as const) {
      this.child[name]!.setEncoding('utf8').on('data', (chunk: string) => {
        this.text[name] += chunk
        this.arrived()
      })
    }
    this.child.on('close', (code, signal) => {
      this.exit = [code, signal]
      this.arrived()
    })
  }

  get ended(): boolean {
    return this.exit !== undefined
  }

  /** Whether the test's process waits for it. */
  hold(held: boolean): void {
    const { stdout, stderr, channel } = this.child
    for (const handle of [this.child, channel, stdout, stderr] as unknown as { ref?(): void; unref?(): void }[]) {
      if (held) handle?.ref?.()
      else handle?.unref?.()
    }
  }

  async run(args: readonly string[]): Promise<CliResult> {
    this.commands++
    this.text.stdout = this.text.stderr = ''
    this.child.send(args)
    for (;;) {
      const result = this.result()
      if (result !== undefined) return result
      await new Promise<void>(resolve => (this.arrived = resolve))
    }
  }

  private result(): CliResult | undefined {
    const [stdout = '', code] = this.text.stdout.split(`\0${this.mark}\0`)
    const [stderr = '', same] = this.text.stderr.split(`\0${this.mark}\0`)
    if (code !== undefined && same !== undefined) return { code: code === 'null' ? null : Number(code), signal: null, stdout, stderr }
    if (this.exit === undefined) return undefined
    return { code: this.exit[0], signal: this.exit[1], stdout, stderr }
  }

  async stop(): Promise<void> {
    if (this.exit) return
    const closed = once(this.child, 'close')
    this.child.kill('SIGKILL')
    await closed
  }
}

const idle: CommandHost[] = []

/** Runs a command line in a process that has run others of the same environment and folder, or will. */
export async function runHosted(
  main: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string = process.cwd(),
): Promise<CliResult> {
  const key = JSON.stringify(environment)
  const at = idle.findLastIndex(host => host.environment === key && host.cwd === cwd && !host.ended)
  const host = at < 0 ? new CommandHost(key, main, cwd) : idle.splice(at, 1)[0]!
  host.hold(true)
  const result = await host.run(args)
  host.hold(false)
  if (host.ended) return result
  if (host.commands >= mostCommands || result.code === null) await host.stop()
  else idle.push(host)
  while (idle.length > mostIdle) await idle.shift()!.stop()
  return result
}
