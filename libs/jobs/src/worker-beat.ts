import { z } from 'zod'

/** Milliseconds between two heartbeats of a worker. */
export const beatInterval = 5000
/** A worker not heard of for so many milliseconds counts as gone. */
export const beatTimeout = 30_000

/** What a worker tells of itself every few seconds. */
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
})
export type WorkerBeat = z.output<typeof WorkerBeat>

/** A heartbeat as a queue keeps it; undefined for what is none (of another version, say). */
export function readBeat(data: unknown): WorkerBeat | undefined {
  const result = WorkerBeat.safeParse(data)
  return result.success ? result.data : undefined
}
