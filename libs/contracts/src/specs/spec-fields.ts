import * as z from 'zod'
import { SpecPreparation } from '../records/preparation.js'
import { priorities } from './priority.js'
import { parseReduce, reduceText } from './reduce.js'
import * as text from './spec-text.js'
import { webhookUrls } from './webhook-url.js'
import { choice, flag, layerName, optionalFlag, parsed, place, square, whole } from './field-kinds.js'

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
  without: place
    .regex(/\.csv$/i, 'a .csv file with a column key')
    .optional()
    .describe('Images to leave out: audit.csv of layermill audit, or another .csv with a column key. Default: none.'),
  worst: whole(0, 100_000_000)
    .optional()
    .describe('Suspect labels of audit.csv to take, the worst ones, besides those with the verdict confirmed. Default: none.'),
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
  plan: flag('Say only what the run would do, also with one that is there, and what it would write and need; write nothing.'),
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
  precision: choice(['auto', 'fp32', 'fp16', 'int8'])
    .default('fp32')
    .describe(
      'Arithmetic of the network: int8 is faster on CPUs, fp16 on GPUs; both are less exact. auto tries int8 on some of the images and takes it where it is faster and agrees with fp32 (cosine 0.99).',
    ),
  decode: choice(['exact', 'draft'])
    .optional()
    .describe(
      'Decoding of JPEGs: draft decodes them at 1/2, 1/4 or 1/8 where that leaves at least twice the size needed, which is faster for photographs and gives nearly the same numbers (needs the package wasm-vips). Default: exact.',
    ),
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
    .describe(
      'Layers to write, in this order; all (of an ONNX file: its modules), or * for any characters, as conv*; models MODEL lists them. ' +
        "Default: the network's default layer.",
    ),
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
  selfCheck: flag(
    'Compute first a stored picture with known activations and compare, with an ONNX file its layers cut out against the whole graph; a drift over 1e-3 stops the run.',
  ),
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
