import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { LayermillError, WakeableSleep } from '@layermill/core'

/** Set for the workers below, with the number of their device. */
const childVariable = 'LAYERMILL_WORKER_DEVICE'
/** Milliseconds before a worker that died is started again, doubled each time up to the second. */
const restartDelay = { first: 1000, most: 60_000 }

/**
 * Numbers of GPUs, as `--devices 0,1` gives them.
 * @throws LayermillError `SPEC_INVALID` where one is not a whole number from 0 on, or is named twice.
 */
export function parseDevices(text: string): number[] {
  const numbers = text.split(',').map(part => (/^\d{1,3}$/.test(part.trim()) ? Number(part) : Number.NaN))
  if (numbers.some(Number.isNaN) || new Set(numbers).size !== numbers.length) {
    throw new LayermillError('SPEC_INVALID', `--devices: got ${JSON.stringify(text)}, expected numbers of GPUs, each once, as 0,1`)
  }
  return numbers
}

/** The command line of one of the workers: without `--devices`, and with a health port of its own. */
export function workerArguments(args: readonly string[], index: number): string[] {
  const result: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [flag, value] = args[i]!.split('=', 2)
    const inline = args[i]!.includes('=')
    if (flag !== '--devices' && flag !== '--health-port') {
      result.push(args[i]!)
      continue
    }
    const port = Number(inline ? value : args[i + 1])
    if (!inline) i++
    // 0 takes any free port, for each.
    if (flag === '--health-port') result.push('--health-port', String(port === 0 ? 0 : port + index))
  }
  return result
}

/** Keeps one worker process for one device until told to stop. */
class DeviceWorker {
  private child: ChildProcess | undefined
  private stopping = false
  private readonly pause = new WakeableSleep()

  constructor(
    private readonly device: number,
    private readonly args: readonly string[],
    private readonly note: (text: string) => void,
  ) {}

  /** Resolves with the exit code of the last process once `stop` was called and it has ended. */
  async run(): Promise<number> {
    for (let delay = restartDelay.first; ; delay = Math.min(2 * delay, restartDelay.most)) {
      const code = await this.start()
      if (this.stopping) return code
      this.note(`[device ${this.device}] the worker ended with ${code}; another starts in ${delay / 1000} s`)
      await this.pause.sleep(delay)
      if (this.stopping) return code
    }
  }

  stop(signal: NodeJS.Signals): void {
    this.stopping = true
    this.child?.kill(signal)
    this.pause.wake()
  }

  private start(): Promise<number> {
    // A device of its own by the driver's own means, for every engine: each process sees one GPU, which is its first. Numbers as
    // nvidia-smi's.
    const env = {
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
      ...process.env,
      CUDA_VISIBLE_DEVICES: String(this.device),
      [childVariable]: String(this.device),
    }
    const child = fork(process.argv[1]!, this.args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.child = child
    // Lines of JSON stay such lines, on standard output; they name their process.
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', line => process.stdout.write(`${line}\n`))
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', line => this.note(`[device ${this.device}] ${line}`))
    return new Promise(resolve => {
      child.once('error', error => this.note(`[device ${this.device}] cannot be started: ${error.message}`))
      child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
    })
  }
}

/**
 * `layermill worker --devices 0,1`: one worker process for each GPU, started again where one dies. SIGTERM and Ctrl-C reach all of them,
 * and all have drained when this returns.
 * @param args the command line from `worker` on
 * @returns the largest of their exit codes
 */
export async function superviseDevices(devices: readonly number[], args: readonly string[], note: (text: string) => void): Promise<number> {
  const workers = devices.map((device, index) => new DeviceWorker(device, workerArguments(args, index), note))
  const stop = (signal: NodeJS.Signals): void => workers.forEach(worker => worker.stop(signal))
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    return Math.max(...(await Promise.all(workers.map(worker => worker.run()))))
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

/** In a worker of `superviseDevices`: drains when the process above is gone, which could not tell it to. */
export function drainWithParent(): void {
  if (process.env[childVariable] === undefined) return
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  // Listening alone would keep a worker that has drained from ending.
  process.channel?.unref()
}
