import { headTargets, sliceTargets } from '@layermill/models'
import * as z from 'zod'
import { choice, flag, layerName, optionalFlag, parsed, place, positive, share, whole } from './field-kinds.js'
import * as text from './spec-text.js'

const modelName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a name of lower-case letters, digits, dot, dash and underscore, at most 64')
/** Share of accuracy that a new version may lose where nothing is said. */
const defaultMargin = 0.01

/** Classes, cut, head and data of a fine-tuning run. */
export const finetuneModelFields = {
  layer: layerName.optional().describe("Layer to cut the network at; the head goes on top. Default: the network's default layer."),
  head: z
    .union([z.array(whole(1, 65_536)).max(2), whole(1, 65_536).transform(size => [size]), parsed(text.parseHead)], {
      error: text.expected.head,
    })
    .prefault([])
    .describe('Sizes of up to two hidden linear layers (with relu and dropout) before the linear layer to the classes.'),
  dropout: share('0.95')
    .max(0.95, 'a number from 0 up to 0.95')
    .default(0.5)
    .describe('Share dropped after each hidden layer of the head.'),
  base: z
    .union(
      [
        z.enum(['frozen', 'full']),
        z.record(layerName, z.number().min(0).max(1000)).refine(table => Object.keys(table).length > 0),
        parsed(text.parseBase),
      ],
      { error: text.expected.base },
    )
    .prefault('frozen')
    .describe('Learning of the layers below the cut: frozen, full, scaled:FACTOR, or learning-rate scales by layer (* for all others).'),
  standardize: optionalFlag(
    'Centre and scale the features of a frozen base by those of the training images, so that any base starts from sane losses; the model itself has it in the first layer of its head.',
  ),
  batchNorm: choice(['frozen', 'batch'])
    .default('frozen')
    .describe(
      "Batch normalisation by stored statistics (frozen) or, in layers that learn, the batch's, updating the stored ones (batch); with a frozen base in all layers.",
    ),
  auxiliary: flag('GoogLeNet: train with all three classifiers, each replaced: loss3 + 0.3 * (loss1 + loss2).'),
  target: choice(headTargets)
    .optional()
    .describe(
      'Meaning of labels: one class an image (class), several (multi-label, as a|b), numbers (regression), or targets of several columns (mixed, with targets). Default: class.',
    ),
  targets: z
    .union(
      [
        z
          .array(
            z.strictObject({
              name: z.string().trim().regex(text.targetName, text.expected.targetName),
              kind: choice(sliceTargets),
              weight: positive.optional(),
            }),
          )
          .max(50),
        parsed(text.parseTargets),
      ],
      { error: text.expected.targets },
    )
    .optional()
    .describe(
      'Targets learned together on one base: columns of a list or Parquet file with their meaning and, if not 1, the factor of their loss, as species:class,tags:multi-label,weight_kg:regression:0.5. An image counts for those that it has a value of. Default: none.',
    ),
  labelColumns: z
    .union([z.array(layerName).min(1).max(1000), parsed(text.parseLabelColumns)], { error: text.expected.labelColumns })
    .optional()
    .describe(
      'Columns of a list or Parquet file that labels are in; of several labels an image columns of 0 and 1 are classes. Default: label, class or cls.',
    ),
  relabel: place
    .regex(/\.(csv|parquet)$/i, 'a .csv or .parquet file of layermill audit')
    .optional()
    .describe('audit.csv whose worst suspect labels get the likeliest class instead. Default: none.'),
  loss: z
    .string({ error: text.expected.loss })
    .regex(text.lossPattern, text.expected.loss)
    .optional()
    .describe('Loss of numbers, in standard deviations: mse, smooth-l1 or smooth-l1:BETA. Default: mse.'),
  skipUnlabelled: optionalFlag('Leave out images without a label, which are an error otherwise.'),
  validation: z
    .union([share('0.9').max(0.9), parsed(text.parseValidation).pipe(z.union([z.number(), place]))], { error: text.expected.validation })
    .prefault(0.1)
    .describe('Held-out images: a share (by class and by hash of the key, so stable when data grows), or a source of their own.'),
  fold: z
    .union([z.strictObject({ fold: whole(1, 100), of: whole(2, 100) }).refine(({ fold, of }) => fold <= of), parsed(text.parseFold)], {
      error: text.expected.fold,
    })
    .optional()
    .describe('Part of the training images that is held out instead, as 2/5, for cross-validation. Default: none.'),
  classWeights: z
    .union([choice(['none', 'balanced']), z.record(z.string().min(1), positive)], { error: 'none, balanced, or a weight for each class' })
    .default('none')
    .describe('Weights of the classes in the loss, of several labels an image of their positive terms; balanced is by inverse frequency.'),
  sampling: choice(['each', 'balanced'])
    .optional()
    .describe('Images of an epoch: each one once (each), or as many draws, equally many of each class (balanced). Default: each.'),
  labelSmoothing: share('0.9').max(0.9, 'a number from 0 up to 0.9').default(0).describe('Share of the target spread over all classes.'),
  augment: z
    .union(
      [
        z
          .array(choice(['flip', 'crop', 'color']))
          .max(3)
          .transform(names => (names.length === 0 ? [] : text.parseAugment(names.join(',')))),
        parsed(text.parseAugment),
      ],
      { error: text.expected.augment },
    )
    .prefault([])
    .describe('Changes of training images at random: mirroring, resized crop, colour.'),
  augmentCopies: whole(1, 1000)
    .default(5)
    .describe('Copies of each image with augmentation that a frozen base computes once (only with augment).'),
  out: place.describe('Place of the model: a folder or s3://bucket/prefix.'),
  register: z
    .union(
      [
        z.strictObject({
          name: modelName,
          root: place
            .optional()
            .describe('The registry: a folder or s3://bucket/prefix. Default: that of the server or of LAYERMILL_REGISTRY.'),
          margin: z.number().min(0).max(1).default(defaultMargin).describe('Accuracy that a new version may lose, 0 to 1.'),
          heldOut: place.optional().describe('Images that versions are compared on. Default: those that the run holds out.'),
          allowLeaks: optionalFlag('Compare versions also on held-out images that are trained on, byte for byte or nearly.'),
        }),
        modelName.transform((name): { name: string; root?: string; margin: number; heldOut?: string; allowLeaks?: boolean } => ({
          name,
          margin: defaultMargin,
        })),
      ],
      { error: 'a name, as pets, or name, root, margin and heldOut' },
    )
    .optional()
    .describe('Name in the registry of models: the model becomes its next version, and the latest one where it is not worse.'),
}

/** Optimization of a fine-tuning run. */
export const finetuneOptimizerFields = {
  optimizer: choice(['adam', 'adamw', 'momentum']).default('adam').describe('Update rule, as Chainer defines it.'),
  learningRate: positive
    .optional()
    .describe("Learning rate: Adam's alpha, or the rate of momentum SGD. Default: 0.001 (adam, adamw), 0.01 (momentum)."),
  momentum: share('0.9999').max(0.9999, 'a number from 0 up to 0.9999').default(0.9).describe('Momentum of the momentum optimizer.'),
  beta1: share('0.9999')
    .max(0.9999, 'a number from 0 up to 0.9999')
    .default(0.9)
    .describe('Decay of the mean gradient, for Adam and AdamW.'),
  beta2: share('0.999999')
    .max(0.999999, 'a number from 0 up to 0.999999')
    .default(0.999)
    .describe('Decay of the mean squared gradient, for Adam and AdamW.'),
  epsilon: positive.default(1e-8).describe('Number added to the root of the mean squared gradient, for Adam and AdamW.'),
  weightDecay: share('1')
    .max(1, 'a number from 0 up to 1')
    .default(0)
    .describe('Weight decay: L2 added to the gradient (adam, momentum), decoupled (adamw).'),
  gradientClip: positive.optional().describe('Norm of the whole gradient above which it is scaled down. Default: no limit.'),
  schedule: z
    .union(
      [
        z.strictObject({ kind: z.literal('constant') }),
        z.strictObject({ kind: z.literal('step'), everyEpochs: z.number().positive(), factor: z.number().positive().max(1) }),
        z.strictObject({ kind: z.literal('cosine'), floor: z.number().min(0).max(1).default(0) }),
        parsed(text.parseSchedule),
      ],
      { error: text.expected.schedule },
    )
    .prefault({ kind: 'constant' })
    .describe('Learning rate over time: constant, step:EPOCHS:FACTOR, cosine or cosine:FLOOR.'),
  warmupEpochs: share('1000')
    .max(1000, 'a number from 0 up to 1000')
    .default(0)
    .describe('Epochs (also a fraction) of linear warm-up from 0.'),
  epochs: whole(1, 100_000).default(5).describe('Passes over the training images.'),
  batchSize: whole(1, 65_536).default(32).describe('Images of one update (the global batch).'),
  microBatch: whole(1, 65_536)
    .optional()
    .describe('Images of one gradient job; fixed by position, so that results do not depend on the fleet. Default: 8, at most batchSize.'),
  earlyStopping: whole(1, 100_000)
    .optional()
    .describe('Stop after this many epochs without improvement on the held-out images. Default: never.'),
  seed: whole(0, 4_294_967_295).default(0).describe("Seed of the head's initialization, order, dropout and augmentation."),
  exchange: choice(['float32', 'bfloat16']).default('float32').describe('Numbers of gradients and parameters between processes.'),
  checkpointSteps: whole(1, 1_000_000_000)
    .optional()
    .describe('Updates after which a checkpoint is written too. Default: only after each epoch.'),
  keepCheckpoints: whole(1, 1000).default(3).describe('Checkpoints to keep.'),
  export: z
    .array(choice(['chainer.npz']))
    .max(1)
    .default([])
    .describe('Files of the model to write besides.'),
}
