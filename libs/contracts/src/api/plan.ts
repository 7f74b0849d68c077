import { LayerResult, UpdateFound } from '../records/run-record.js'
import * as z from 'zod'

const count = z.int().nonnegative()

/** Actions of a command by what is at its destination. */
const runActions = ['create', 'replace', 'resume', 'complete', 'update', 'retry', 'renew', 'extend'] as const

/**
 * Action of the same command where a run already is:
 * `create` (nothing there), `replace` (--overwrite), `resume` (unfinished), `complete` (nothing to do), `update`, `retry`, `renew` (an
 * update to another version of a registered model: everything again), `extend` (a fine-tuning run for more epochs).
 */
export type RunAction = (typeof runActions)[number]

const InferencePlan = z.object({
  kind: z.enum(['extract', 'predict']),
  model: z.string(),
  action: z.enum(runActions).describe('What would become of the run that is at the destination; create where there is none.'),
  existing: z
    .object({ images: count, done: count })
    .optional()
    .describe('Images of the run that is at the destination, and those that have results.'),
  found: UpdateFound.optional().describe('Of an update or a retry: images that are new, changed, deleted, or tried again.'),
  images: count.describe('To read and compute: those whose results are not there, or are to be replaced.'),
  sourceBytes: count.describe('Bytes of the image files.'),
  parts: count,
  layers: z.array(z.object({ ...LayerResult.shape, bytes: count })).describe('What is written of each layer, in all.'),
  outputBytes: count.describe('Bytes of all feature files.'),
  reduction: z
    .object({ sample: count, passes: z.array(z.array(z.string())), scratchBytes: count })
    .optional()
    .describe(
      'Layers that are fitted to a sample of images, by pass: the network computes the sample once in each. Bytes of temporary files.',
    ),
  freeBytes: z.number().nonnegative().optional().describe('Where results go; left out where the place cannot say.'),
  seconds: z.number().nonnegative().optional().describe('By a probe, where the server has an engine.'),
  batchSize: z.union([count, z.literal('auto')]),
})

const FinetunePlan = z.object({
  kind: z.literal('finetune'),
  model: z.string(),
  images: z.object({ training: count, validation: count }).optional(),
  classes: z
    .array(z.object({ name: z.string(), training: count, validation: count }))
    .describe('Images that count for each; of several labels or targets an image counts for several.'),
  warnings: z.array(z.string()),
  trainable: count.describe('Parameter tensors that learn.'),
  stepsPerEpoch: count,
  epochs: count,
  features: z
    .object({ layer: z.string(), bytes: count })
    .optional()
    .describe('Of a base that does not change: computed once for each image.'),
})

/** Answer to a spec with `plan`: what the run would read, compute and write. */
export const RunPlan = z
  .discriminatedUnion('kind', [InferencePlan, FinetunePlan])
  .meta({ id: 'RunPlan', description: 'What a run would read, compute and write. Nothing of it has begun.' })
export type RunPlan = z.output<typeof RunPlan>
