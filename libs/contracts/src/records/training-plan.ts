import type { NetworkDescription } from '@layermill/models'
import * as z from 'zod'
import { parseJsonRecord } from './json-record.js'
import { InputNumbers, ResampleName } from './preparation.js'

/** Path of a fine-tuning run's plan, in its store. */
export const trainingPlanPath = 'training.json'
/** Its images, as manifests whose labels are names of classes. */
export const trainingRowsPath = 'dataset/training.jsonl'
export const validationRowsPath = 'dataset/validation.jsonl'

const names = z.array(z.string())
const count = z.int().nonnegative()

const MultiLabelTarget = z.object({ kind: z.literal('multi-label'), positiveWeights: z.array(z.number()).optional() })
const RegressionTarget = z.object({
  kind: z.literal('regression'),
  loss: z.enum(['mse', 'smooth-l1']),
  beta: z.number().positive(),
  /** Of each output over the training images: what the network learns is standardised. */
  mean: z.array(z.number()),
  deviation: z.array(z.number().positive()),
})

/**
 * `training.json`: all that computing a micro-batch depends on, besides the images, the base weights and the parameters. Written once,
 * when the run is planned; whoever computes reads it and decides nothing by itself.
 */
export const TrainingPlan = z.object({
  version: z.literal(1),
  run: z.string(),
  /** Of the fine-tuned network; what makes it checks it. */
  network: z.custom<NetworkDescription>(value => typeof value === 'object' && value !== null && 'base' in value),
  inputSize: z.object({ height: z.int().positive(), width: z.int().positive() }),
  resample: ResampleName,
  autoOrient: z.boolean(),
  /** The spec's own limits of one image; its defaults where left out. */
  limits: z.object({ maxBytes: z.number().optional(), imageTimeout: z.number().optional() }).optional(),
  /** Channels, means and geometry; plans of earlier versions have none: theirs are the network's table's. */
  input: InputNumbers.optional(),
  /** Names of the outputs where the run learns numbers. */
  classes: names.min(1),
  /** Left out where each image is of one class. */
  target: z
    .discriminatedUnion('kind', [
      MultiLabelTarget,
      RegressionTarget,
      z.object({
        kind: z.literal('mixed'),
        /** In the order of the scores. */
        heads: z.array(
          z.object({
            name: z.string(),
            /** Names of its own classes, or of its numbers. */
            classes: names.min(1),
            /** Factor of its loss. */
            weight: z.number().positive(),
            target: z.discriminatedUnion('kind', [
              z.object({ kind: z.literal('class'), classWeights: z.array(z.number()).optional(), labelSmoothing: z.number() }),
              MultiLabelTarget,
              RegressionTarget,
            ]),
          }),
        ),
      }),
    ])
    .optional(),
  /** Parameters that learn. */
  trainable: names.min(1),
  /** Running statistics that move. */
  statistics: names,
  batchNorm: z.enum(['frozen', 'batch']),
  auxiliaryWeight: z.number(),
  /** Dropout of a frozen base: off, as in inference. */
  dropoutOff: names,
  /** The last layer of a base that does not change, where it does not: its values may stand for the images. */
  features: z.string().optional(),
  seed: count,
  batchSize: z.int().positive(),
  microBatch: z.int().positive(),
  /** Images of an epoch: equally many of each class; left out, each image once. */
  sampling: z.literal('balanced').optional(),
  augment: z.array(z.enum(['flip', 'crop', 'color'])),
  /** Every image is augmented in so many ways, over and over; left out, anew in every epoch. */
  augmentCopies: z.int().positive().optional(),
  classWeights: z.array(z.number()).optional(),
  labelSmoothing: z.number(),
  exchange: z.enum(['float32', 'bfloat16']),
  images: z.object({ training: count, validation: count }),
  /** SHA-256 of both manifests. */
  datasetSha256: z.string(),
})
export type TrainingPlan = z.output<typeof TrainingPlan>

/**
 * Reads `training.json`.
 * @throws LayermillError `RUN_RECORD_INVALID` naming the place and the field.
 */
export function parseTrainingPlan(bytes: Uint8Array, where: string, strict = false): TrainingPlan {
  return parseJsonRecord(TrainingPlan, bytes, {
    code: 'RUN_RECORD_INVALID',
    where: `${where}/${trainingPlanPath}`,
    whole: 'plan',
    strict,
  })
}
