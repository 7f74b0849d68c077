import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { CliOptions, CliProcess } from '../../helpers/cli.js'
import type { Fleet } from '../../helpers/fleet.js'

export const processFaults = [
  'kill worker',
  'kill orchestrator',
  'kill redis',
  'freeze worker',
  'freeze orchestrator',
  'fail over redis',
  'refuse writes',
  'unmount source',
  'unmount output',
  'older worker',
] as const
export type ProcessFault = (typeof processFaults)[number]
type RedisFault = Extract<ProcessFault, 'kill redis' | 'fail over redis' | 'refuse writes'>
type MountFault = Extract<ProcessFault, 'unmount source' | 'unmount output'>

const execute = promisify(execFile)

/** Whether this machine lets a process have file systems of its own, which unmounted places need. */
export const canMount = (): Promise<boolean> =>
  execute('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).then(
    () => true,
    () => false,
  )

/** Locks run out after this many seconds in these tests; what is frozen is so for longer. */
export const lockSeconds = 2
const frozenFor = lockSeconds * 1000 + 800

export interface ChaosOptions {
  readonly fleet: Fleet
  readonly random: () => number
  readonly workers: number
  readonly orchestrators: number
  /** How many of each fault. */
  readonly faults: Readonly<Partial<Record<ProcessFault, number>>>
  readonly cli?: CliOptions
  /** Of workers, beside `cli`. */
  readonly workerCli?: CliOptions
  /** Folders that are taken away from one worker for a while: an empty file system lies in their place. */
  readonly places?: { readonly source: string; readonly output: string }
  /** Lets a worker of an older version, which cannot read the run's jobs, take part for a while. */
  readonly olderWorker?: () => Promise<void>
}

interface Slot {
  process: CliProcess
  url?: string
  busy: boolean
}

/** A fleet whose processes die, freeze and come back. */
export class Chaos {
  readonly struck: Record<ProcessFault, number> = {
    'kill worker': 0,
    'kill orchestrator': 0,
    'kill redis': 0,
    'freeze worker': 0,
    'freeze orchestrator': 0,
    'fail over redis': 0,
    'refuse writes': 0,
    'unmount source': 0,
    'unmount output': 0,
    'older worker': 0,
  }
  private readonly workers: Slot[] = []
  private readonly orchestrators: Slot[] = []
  private readonly under: Promise<void>[] = []
  private readonly plan: ProcessFault[]
  private redisDown = false

  constructor(private readonly options: ChaosOptions) {
    this.plan = Object.entries(options.faults).flatMap(([fault, count]) => Array.from({ length: count }, () => fault as ProcessFault))
    for (let i = this.plan.length - 1; i > 0; i--) {
      const other = Math.floor(options.random() * (i + 1))
      ;[this.plan[i], this.plan[other]] = [this.plan[other]!, this.plan[i]!]
    }
  }

  async startOrchestrators(): Promise<string> {
    for (let i = 0; i < this.options.orchestrators; i++) this.orchestrators.push(await this.serve())
    return this.orchestrators[0]!.url!
  }

  async startWorkers(): Promise<void> {
    this.workers.push(...(await Promise.all(Array.from({ length: this.options.workers }, () => this.worker()))))
  }

  get left(): number {
    return this.plan.length
  }

  /** The next fault of the plan strikes; what it takes away comes back in the background. */
  strike(): void {
    const fault = this.plan.shift()
    if (fault === undefined) return
    if (fault === 'kill redis' || fault === 'fail over redis' || fault === 'refuse writes') this.background(() => this.onRedis(fault))
    else if (fault === 'older worker') this.background(() => this.joinOlderWorker())
    else this.onProcess(fault)
  }

  private async joinOlderWorker(): Promise<void> {
    // Redis may be away just then: this one comes later.
    const joined = await this.options.olderWorker?.().then(
      () => true,
      () => false,
    )
    if (joined === true) this.struck['older worker'] += 1
    else this.plan.push('older worker')
  }

  /** Waits until everything is back. */
  async settle(): Promise<void> {
    while (this.under.length > 0) await Promise.all(this.under.splice(0))
  }

  private onProcess(fault: Exclude<ProcessFault, RedisFault | 'older worker'>): void {
    const slots = fault.endsWith('worker') || fault.startsWith('unmount') ? this.workers : this.orchestrators
    const free = slots.filter(slot => !slot.busy)
    const slot = free[Math.floor(this.options.random() * free.length)]
    if (slot === undefined) {
      // All of them are down: this one comes later.
      this.plan.push(fault)
      return
    }
    slot.busy = true
    this.struck[fault] += 1
    this.background(async () => {
      if (fault === 'unmount source' || fault === 'unmount output') await this.unmount(slot, fault)
      else await (fault.startsWith('kill') ? this.replace(slot, fault) : this.freeze(slot))
      slot.busy = false
    })
  }

  private async replace(slot: Slot, fault: ProcessFault): Promise<void> {
    await this.options.fleet.kill(slot.process)
    const fresh = fault === 'kill worker' ? await this.worker() : await this.serve()
    slot.process = fresh.process
    slot.url = fresh.url
  }

  /** The worker goes on, and finds an empty folder where the images or the run's place were. */
  private async unmount({ process }: Slot, fault: MountFault): Promise<void> {
    const { places } = this.options
    if (places === undefined) throw new Error(`${fault} without places`)
    const place = fault === 'unmount source' ? places.source : places.output
    const inside = ['-t', String(process.child.pid), '-m']
    await execute('nsenter', [...inside, 'mount', '-t', 'tmpfs', 'tmpfs', place])
    await pause(2000)
    await execute('nsenter', [...inside, 'umount', '-l', place])
  }

  private async freeze({ process }: Slot): Promise<void> {
    process.child.kill('SIGSTOP')
    await pause(frozenFor)
    process.child.kill('SIGCONT')
  }

  private async onRedis(fault: RedisFault): Promise<void> {
    if (this.redisDown) {
      this.plan.push(fault)
      return
    }
    this.redisDown = true
    this.struck[fault] += 1
    await this.redisFaults[fault]()
    this.redisDown = false
  }

  /** Faults of Redis, and its return from them. Each is one entry. */
  private readonly redisFaults: Readonly<Record<RedisFault, () => Promise<void>>> = {
    'kill redis': async () => {
      const { redis } = this.options.fleet
      await redis.kill()
      await redis.restart()
    },
    // A master that became a replica of one that never comes, for as long as a failover takes, and then is the master again: connections
    // stay.
    'fail over redis': async () => {
      const { redis } = this.options.fleet
      await redis.command('replicaof', '127.0.0.1', '1')
      await pause(1500)
      await redis.command('replicaof', 'no', 'one')
    },
    'refuse writes': async () => {
      const { redis } = this.options.fleet
      await redis.command('config', 'set', 'maxmemory', '1')
      await pause(1500)
      await redis.command('config', 'set', 'maxmemory', '0')
    },
  }

  private background(action: () => Promise<void>): void {
    this.under.push(action())
  }

  private async worker(): Promise<Slot> {
    const { cli, workerCli, places } = this.options
    // A mount namespace of its own, so that what is taken from it is taken from nobody else.
    const shell = places === undefined ? {} : { shell: 'exec unshare -m "$@"' }
    const process = await this.options.fleet.worker(['--lock-duration', String(lockSeconds)], {
      ...cli,
      ...workerCli,
      ...shell,
      env: { ...cli?.env, ...workerCli?.env },
    })
    return { process, busy: false }
  }

  private async serve(): Promise<Slot> {
    const { process, url } = await this.options.fleet.serve(['--lock-duration', String(lockSeconds)], this.options.cli)
    return { process, url, busy: false }
  }
}

export const total = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Submits a run to a server and returns its id. */
export async function submit(server: string, spec: Record<string, unknown>): Promise<string> {
  const response = await fetch(`${server}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(spec),
  })
  const body = (await response.json()) as { id?: string; detail?: string }
  if (body.id === undefined) throw new Error(`not accepted: ${JSON.stringify(body)}`)
  return body.id
}
