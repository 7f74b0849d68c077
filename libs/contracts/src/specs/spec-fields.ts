import { errorMessage, hasCredentials } from '@layermill/core'
import { z } from 'zod'
import { SpecPreparation } from '../records/preparation.js'
import { priorities } from './priority.js'
import { parseReduce, reduceText } from './reduce.js'
import * as text from './spec-text.js'
import { webhookUrls } from './webhook-url.js'

/** A flag's text that becomes the field's value. */
function parsed<T>(parse: (value: string) => T) {
  return z
    .string()
    .max(4096)
    .transform((value, context): T => {
      try {
        return parse(value.trim())
      } catch (error) {
        context.issues.push({ code: 'custom', input: value, message: errorMessage(error) })
        return z.NEVER
      }
    })
}

const whole = (from: number, to: number) =>
  z
    .int({ error: `a whole number from ${from} to ${to}` })
    .min(from)
    .max(to)

/** A path or URL. Credentials never belong to a spec: it is stored in run.json and shown on the dashboard. */
const place = z
  .string({ error: 'a path or URL' })
  .min(1, 'a path or URL')
  .max(4096, 'a path or URL of at most 4096 characters')
  .refine(value => !/\p{Cc}/u.test(value), 'a path or URL without control characters')
  .refine(
    value => !hasCredentials(value),
    'a URL without credentials, in its query as well (give them by environment, profile or role; they never belong to a spec, which is stored and shown: fetch such a file first and name it)',
  )
  .refine(value => !/^s3:\/\//i.test(value) || !value.split('/').includes('..'), 'a place of a bucket without .. in it')

/** Left out where nothing is said, so that what was written before reads the same. */
const optionalFlag = (description: string) => z.boolean({ error: 'true or false' }).optional().describe(description)
const layerName = z.string().min(1).max(200)
const flag = (description: string) => z.boolean({ error: 'true or false' }).default(false).describe(description)
const choice = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `one of ${values.join(', ')}` })

/** Side of a square, in pixels. */
const square = whole(1, 16384).transform(side => ({ width: side, height: side }))

export const kinds = ['extract', 'predict', 'finetune'] as const

/** Fields of every kind of run. */
export const commonFields = {
  source: place.describe('Images: a folder, glob, list file (txt, csv, tsv, jsonl), one image, or s3://bucket/prefix.'),
  model: z
    .string({ error: 'a network, as resnet50 or resnet50.tv, or the folder or URL of a fine-tuned model' })
    .pipe(place)
    .describe("Network (resnet50 is the caffe family, resnet50.tv torchvision's), or the folder or URL of a fine-tuned model."),
  weights: place
    .refine(value => !/^random[:\d]/.test(value) || /^random:\d{1,10}$/.test(value), 'imagenet, random, random:SEED, a file or a URL')
    .default('imagenet')
    .describe(
      'Weights: imagenet (the published ones), random or random:SEED, or a file or URL of .npz, .caffemodel, .safetensors, .h5 or .keras.',
    ),
  size: z
    .union([z.literal('keep'), z.strictObject({ width: whole(1, 16384), height: whole(1, 16384) }), square, parsed(text.parseSize)], {
      error: text.expected.size,
    })
    .optional()
    .describe(
      "Size of the network's input, as 320x256 (width first), or 224 for a square; keep leaves each image's own. Default: the network's own size.",
    ),
  resample: choice(['bicubic', 'bilinear', 'nearest', 'lanczos'])
    .optional()
    .describe("Filter of resizing. Default: the network's own (caffe bicubic, torchvision bilinear)."),
  prepare: z
    .union([z.string().regex(text.preparePattern), SpecPreparation], { error: text.expected.prepare })
    .optional()
    .describe(
      "Preparation of the images: chainer, keras, torchvision, torchvision-v2, torchvision-plain, transformers or timm:TAG. Default: that of the weights' origin.",
    ),
  autoOrient: flag('Turn images as their EXIF orientation says.'),
  device: choice(['auto', 'cpu', 'cuda', 'webgpu', 'cpu-portable'])
    .default('auto')
    .describe('Device to compute on: auto tries cuda, webgpu, cpu and reports which; cpu-portable is the tfjs engine in JavaScript, slow.'),
  engine: choice(['onnx', 'tfjs']).default('onnx').describe('Engine that computes: ONNX Runtime or TensorFlow.js.'),
  requireCpu: z
    .string({ error: text.expected.requireCpu })
    .regex(text.cpuPattern, text.expected.requireCpu)
    .transform(cpu => (/^same$/i.test(cpu) ? 'same' : cpu))
    .optional()
    .describe(
      "Kind of CPU that workers must have, for results of the same bits: same (as the first worker's), or a kind as x64-avx512, x64-fma or arm64-neon. Others hand their parts back. Default: any kind.",
    ),
  maxErrors: z
    .union([whole(0, 1e12), parsed(text.parseMaxErrors)], { error: text.expected.maxErrors })
    .prefault('1%')
    .describe('Images that may fail before the run does: a number, or a share as 1%.'),
  maxBytes: z
    .union([whole(1, text.mostImageBytes), parsed(text.parseMaxBytes)], { error: text.expected.maxBytes })
    .optional()
    .describe('Bytes of the largest image file that is read, as 100MB; larger ones fail by what the listing says. Default: 512MiB.'),
  imageTimeout: z
    .union([z.number().min(0.001).max(86_400), parsed(text.parseImageTimeout)], { error: text.expected.imageTimeout })
    .optional()
    .describe('Time that decoding one image may take, as 90s or 2m; a number is seconds. Default: 60s.'),
  overwrite: flag('Replace what another run left at the destination.'),
  cache: place
    .optional()
    .describe(
      'Place where features are kept for all runs, a folder or s3://bucket/prefix: the same image is computed once. Fine-tuning uses it with a frozen base.',
    ),
  cacheSize: z
    .union([whole(1e6, Number.MAX_SAFE_INTEGER), parsed(text.parseCacheSize)], { error: text.expected.cacheSize })
    .optional()
    .describe('Bytes that the cache may take, as 20GB; what was used longest ago goes first. Default: 10GB.'),
  strict: optionalFlag(
    'Make every file of the source that would be left out an error: names that are not images, hidden files, other formats.',
  ),
  split: z
    .string({ error: 'the name of a split' })
    .min(1, 'the name of a split')
    .max(100, 'a name of at most 100 characters')
    .optional()
    .describe('Rows to take of a list or Parquet file: those whose split column says this, as train. Default: all rows.'),
  requestPayer: optionalFlag(
    "Pay for the requests and bytes of a source whose bucket's owner wants that of readers (LAYERMILL_REQUEST_PAYER).",
  ),
  noSignRequest: optionalFlag("Read the source's bucket without credentials: public buckets (LAYERMILL_NO_SIGN_REQUEST)."),
  notify: z
    .union(
      [
        webhookUrls,
        z
          .string()
          .transform(value => value.split(',').map(url => url.trim()))
          .pipe(webhookUrls),
      ],
      { error: 'http:// or https:// URLs without credentials, several with commas' },
    )
    .optional()
    .describe("Webhooks to tell of the run's end, besides those of layermill serve."),
  priority: choice(priorities)
    .optional()
    .describe(
      'Priority of a run on a fleet: high goes before normal, and low after it; runs of one priority share the workers. Default: normal.',
    ),
  plan: flag('Say only what the run would do, write and need; compute nothing.'),
}

/** Fields of extract and predict. */
export const inferenceFields = {
  partSize: z
    .union([whole(1, 100_000), z.literal('auto'), parsed(text.parsePartSize)], { error: text.expected.partSize })
    .prefault('auto')
    .describe('Images of one part (one job, one file per layer); auto chooses by the number of images, at most 512.'),
  batchSize: z
    .union([whole(1, 4096), z.literal('auto'), parsed(text.parseBatchSize)], { error: text.expected.batchSize })
    .prefault('auto')
    .describe(
      'Images the network computes at once; auto tries some sizes, once for each device, network and size, and keeps what it found.',
    ),
  precision: choice(['fp32', 'fp16', 'int8'])
    .default('fp32')
    .describe('Arithmetic of the network: int8 is faster on CPUs, fp16 on GPUs; both are less exact.'),
  report: optionalFlag(
    'Write a report as well: counts, failures, pictures, a map of the last layer, times, in one HTML file (report.html, or FILE.report.html beside a file of predictions).',
  ),
  retryFailed: flag('Try again only the images that failed in the earlier run.'),
}

export const extractFields = {
  layers: z
    .union(
      [
        z
          .array(layerName)
          .min(1)
          .refine(layers => new Set(layers).size === layers.length),
        parsed(text.parseLayers),
      ],
      { error: text.expected.layers },
    )
    .optional()
    .describe("Layers to write, in this order; all, or * for any characters, as conv*. Default: the network's default layer."),
  out: place.describe('Place of the results: a folder or s3://bucket/prefix.'),
  tokens: z
    .union([z.array(choice(['cls', 'mean', 'patches', 'all'])).min(1), parsed(text.parseTokens)], { error: text.expected.tokens })
    .optional()
    .describe(
      'Parts of layers of tokens, [tokens, dim], of an ONNX file: cls (the class token), mean (of the patches), patches or all; several with commas. Default: all.',
    ),
  pool: choice(['none', 'avg', 'max'])
    .default('none')
    .describe('Reduction of feature maps to one number per channel before they are written.'),
  reduce: parsed(parseReduce)
    .optional()
    .describe(
      `Reduction of rows before they are written: ${reduceText}. pca takes components of a sample, srp is a sparse random projection, random takes units at random; layers that are not larger stay as they are. Default: none.`,
    ),
  center: optionalFlag('Subtract the mean of a sample of the images from reduced rows.'),
  whiten: optionalFlag('Divide the components of pca by their standard deviation; directions without variance are zero.'),
  l2: optionalFlag('Divide rows by their Euclidean length, last.'),
  reduceSample: whole(2, 100_000)
    .optional()
    .describe('Images, chosen by the hashes of their keys, whose activations pca and center are fitted to. Default: 4096.'),
  reduction: place
    .optional()
    .describe('Run whose fitted components and means are used, in place of new ones: the folder or URL of its results. Default: none.'),
  dtype: choice(['float32', 'float16']).default('float32').describe('Numbers in the result files.'),
  onOverflow: choice(['fail', 'warn'])
    .optional()
    .describe(
      'Treatment of an image with values that are NaN, infinite or too large for float16: it fails (fail), or they are written as they come, counted and warned of (warn). Default: fail.',
    ),
  format: choice(['npy', 'parquet', 'safetensors']).default('npy').describe('Format of the result files.'),
  update: flag('Compute only what is new or changed since the last run at the destination; drop what is gone.'),
  selfCheck: flag('Compute first a stored picture with known activations and compare; a drift over 1e-3 stops the run.'),
}

export const predictFields = {
  top: whole(1, 1000).default(5).describe('Classes to give for each image, likeliest first.'),
  labels: z
    .array(z.string({ error: 'a name' }).min(1, 'a name').max(200, 'a name of at most 200 characters'))
    .min(1, 'names')
    .max(100_000, 'at most 100000 names')
    .optional()
    .describe(
      "Names of the classes in the order of the scores; as a flag a file: one name a line, or JSON (a list, or id2label). Default: those of the weights' file, ImageNet's for 1000 classes, else class 0, class 1.",
    ),
  oversample: flag('Average over ten crops (corners and centre, mirrored) of the image at 256x256.'),
  out: place
    .refine(value => /\.(csv|jsonl)$/i.test(value), 'a file name that ends in .csv or .jsonl')
    .optional()
    .describe('File of the results, .csv or .jsonl. Default: standard output.'),
}

const share = (to: string) => z.number({ error: `a number from 0 up to ${to}` }).min(0)
const positive = z.number({ error: 'a number above 0' }).positive('a number above 0').max(1e6, 'a number up to 1000000')

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
  batchNorm: choice(['frozen', 'batch'])
    .default('frozen')
    .describe(
      "Batch normalisation by stored statistics (frozen) or, in layers that learn, the batch's, updating the stored ones (batch); with a frozen base in all layers.",
    ),
  auxiliary: flag('GoogLeNet: train with all three classifiers, each replaced: loss3 + 0.3 * (loss1 + loss2).'),
  skipUnlabelled: optionalFlag('Leave out images without a label, which are an error otherwise.'),
  validation: z
    .union([share('0.9').max(0.9), parsed(text.parseValidation).pipe(z.union([z.number(), place]))], { error: text.expected.validation })
    .prefault(0.1)
    .describe('Held-out images: a share (by class and by hash of the key, so stable when data grows), or a source of their own.'),
  classWeights: z
    .union([choice(['none', 'balanced']), z.record(z.string().min(1), positive)], { error: 'none, balanced, or a weight for each class' })
    .default('none')
    .describe('Weights of the classes in the loss; balanced is by inverse frequency.'),
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
        }),
        modelName.transform((name): { name: string; root?: string; margin: number; heldOut?: string } => ({ name, margin: defaultMargin })),
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
