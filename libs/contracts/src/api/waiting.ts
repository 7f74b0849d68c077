import * as z from 'zod'

/** Why a run does not go on just now. */
export const waitingCodes = [
  'no-worker',
  'workers-unfit',
  'behind-run',
  'store',
  'queue',
  'no-orchestrator',
  'retry',
  'newer-version',
  'paused',
] as const

/** Reason for which a run waits. */
export const Waiting = z.object({
  code: z
    .enum(waitingCodes)
    .describe(
      'no-worker, workers-unfit, behind-run, store, queue: what is missing to go on; no-orchestrator: nobody carries it out; retry: it failed and is tried again; ' +
        'newer-version: an orchestrator of a newer version must take it; paused: somebody paused it.',
    ),
  reason: z.string().describe('For people.'),
  since: z.string().describe('ISO 8601, UTC.'),
})
export type Waiting = z.output<typeof Waiting>

/** Whether two are the same waiting, however it is worded. */
export function sameWaiting(one: Waiting | undefined, other: Waiting | undefined): boolean {
  return one?.code === other?.code && one?.since === other?.since
}
