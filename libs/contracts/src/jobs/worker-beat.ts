import * as z from 'zod'

/** Milliseconds between two heartbeats of a worker. */
export const beatInterval = 5000
/** A worker not heard of for so many milliseconds counts as gone. */
export const beatTimeout = 30_000

/** A run that a worker cannot work on, or some of whose jobs it does not understand, and why. */
export const UnfitFor = z.object({
  run: z.string(),
  code: z.string(),
  reason: z.string(),
  /** ISO 8601, UTC: when it was first met. */
  since: z.string(),
  /** Whether the reason seems to be gone, which its next part has to show. */
  trial: z.boolean(),
  /** One of the run's jobs, where only such ones are meant: others of the run it does. */
  job: z.string().optional(),
})
export type UnfitFor = z.output<typeof UnfitFor>

/** Something that a worker waits for, such as a store that asks to slow down. */
export const WaitsFor = z.object({ reason: z.string(), since: z.string() })
export type WaitsFor = z.output<typeof WaitsFor>

/** Heartbeat of a worker, sent every few seconds. */
export const WorkerBeat = z.object({
  id: z.string(),
  host: z.string(),
  state: z.enum(['idle', 'busy', 'draining']),
  /** In use: cpu, cuda, webgpu. */
  device: z.string(),
  engine: z.string(),
  version: z.string(),
  /** ISO 8601, UTC. */
  started: z.string(),
  seen: z.string(),
  /** Parts under way, with their images so far. */
  jobs: z.array(z.object({ run: z.string(), part: z.int(), done: z.int(), images: z.int() })),
  imagesPerSecond: z.number().nonnegative(),
  /** Runs whose parts it hands to others for now. */
  unfit: z.array(UnfitFor).optional(),
  /** Reasons for which the worker waits just now. */
  waits: z.array(WaitsFor).optional(),
})
export type WorkerBeat = z.output<typeof WorkerBeat>

/** A heartbeat as a queue keeps it; undefined for what is none. Fields of newer versions are left out. */
export function readBeat(data: unknown): WorkerBeat | undefined {
  const result = WorkerBeat.safeParse(data)
  return result.success ? result.data : undefined
}
