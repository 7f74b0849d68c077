import * as z from 'zod'

/** Phases of an image's way through a worker, in their order; only training has an exchange. */
export const phaseNames = ['read', 'decode', 'compute', 'exchange', 'write'] as const
export type PhaseName = (typeof phaseNames)[number]

const seconds = z.number().nonnegative()

/** Seconds for which at least one image was in a phase, and for which there was any work (`all`). Phases overlap. */
export const PhaseSeconds = z.object({
  read: seconds,
  decode: seconds,
  compute: seconds,
  exchange: seconds.optional().describe('Of a fleet that trains: parameters on their way to the worker.'),
  write: seconds,
  all: seconds,
})
export type PhaseSeconds = z.output<typeof PhaseSeconds>

/** The phases that some workers have, in their order. */
export function phasesOf(workers: readonly { readonly seconds: PhaseSeconds }[]): PhaseName[] {
  return phaseNames.filter(name => workers.some(({ seconds: told }) => told[name] !== undefined))
}

/** A worker's busy time in the parts of a run that it did, as far as it was told of. */
export const WorkerPhases = z
  .object({
    worker: z.string().optional().describe('Left out where the run was carried out by one process.'),
    parts: z.int().nonnegative().describe('Of training: micro-batches.'),
    images: z.int().nonnegative().describe('Images of them, those that were left out included.'),
    seconds: PhaseSeconds,
  })
  .describe(
    'Seconds for which a worker had images to read, decode (with resizing), compute and write, each whether or not others went on; all: in which it had any. Images divided by the seconds of a phase is the speed that it bounds the worker to.',
  )
export type WorkerPhases = z.output<typeof WorkerPhases>

/** Workers whose phases are kept apart; those of the others are added up. */
export const mostPhaseWorkers = 64
