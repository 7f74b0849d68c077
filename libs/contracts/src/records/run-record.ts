import * as z from 'zod'
import { CalibrationReport, PrecisionChoice } from './calibration.js'
import { parseJsonRecord, serializeJsonRecord } from './json-record.js'
import { InputNumbers } from './preparation.js'
import { WorkerPhases } from '../jobs/phases.js'
import { runStates } from './run-state.js'
import { ExtractSpec, FinetuneSpec, PredictSpec } from '../specs/spec.js'

const shape = z.array(z.int().positive())

/** Inputs that decide the numbers: two runs of the same identity may share their results. */
export const RunIdentity = z.object({
  /** Network id, `resnet50` or `resnet50.tv`, or the base network of a fine-tuned model. */
  model: z.string(),
  /** SHA-256 of the canonical weights. */
  weights: z.string(),
  layers: z.array(z.string()),
  preparation: z.object({
    /** Version of the decoding and resampling code. */
    version: z.string(),
    size: z.union([z.literal('keep'), z.object({ height: z.int(), width: z.int() })]),
    resample: z.string(),
    autoOrient: z.boolean(),
    oversample: z.boolean(),
    /** Decoding of JPEGs at a smaller scale; without it they are decoded exactly. */
    decode: z.literal('draft').optional(),
    /** Channels, means and geometry, by their numbers. Runs of earlier versions have none: theirs are the network's table's. */
    input: InputNumbers.optional(),
    /** The one copy of a fixed number of augmented ones that this run computes; only of a fine-tuning run's features. */
    augment: z.object({ names: z.array(z.string()), seed: z.int(), copy: z.int() }).optional(),
  }),
  precision: z.string(),
  /** SHA-256 of `calibration.json`; only with int8. */
  calibration: z.string().optional(),
  pool: z.string(),
  /** Rules of layers that are reduced; only where some are. */
  reduction: z.record(z.string(), z.string()).optional(),
  /** SHA-256 over the files of `reduction/`; only where a rule needs a sample. */
  reductionFit: z.string().optional(),
  dtype: z.string(),
  format: z.string(),
  /** Classes given for each image; only where the run predicts. */
  top: z.int().optional(),
  /** SHA-256 of the names that a prediction's spec, or an ONNX file or what lies beside it, gives to the classes. */
  labels: z.string().optional(),
})
export type RunIdentity = z.output<typeof RunIdentity>

/** One layer's result: [rows, ...shape] of `dtype` in every part. */
export const LayerResult = z.object({ name: z.string(), shape, dtype: z.string(), bytesPerImage: z.number() })
export type LayerResult = z.output<typeof LayerResult>

export const RunCounts = z.object({
  /** Images in the manifest. */
  images: z.int(),
  /** Images with results. */
  done: z.int(),
  /** Images left out, each with its reason in `errors`. */
  failed: z.int(),
  parts: z.int(),
  /**
   * Images with results of which nothing had to be computed, the cache had it; of the last session, as far as workers have told. Only with
   * a cache.
   */
  cached: z.int().optional(),
  /**
   * Values in the features that are NaN or infinite, too large for float16 among them; only where there are some and `onOverflow` is warn.
   */
  overflow: z.int().optional(),
  /** Images with results that the last session made, by computing or from a cache; left out where that is all of them. */
  computed: z.int().optional(),
})
export type RunCounts = z.output<typeof RunCounts>

/** Images by what an update, or a retry, found of them. */
export const UpdateFound = z.object({
  added: z.int().nonnegative(),
  /** Another version of the file, or another label. */
  changed: z.int().nonnegative(),
  deleted: z.int().nonnegative(),
  /** Had failed, and are tried again as they were. */
  retried: z.int().nonnegative(),
})
export type UpdateFound = z.output<typeof UpdateFound>

/** Entries that the listing of a run's images met and did not take, most frequent reasons first. */
export const LeftOutFiles = z.object({
  /** Files, folders and rows that nobody asked to leave out. */
  total: z.int().nonnegative(),
  /** Counted from this image on: the listing was interrupted there, and what lay before is not in the table. */
  since: z.string().optional(),
  reasons: z.array(
    z.object({
      reason: z.string(),
      count: z.int().positive(),
      /** The first three, as the source names them. */
      examples: z.array(z.string()),
      /** Left out because the command says so, or a system's own files. */
      expected: z.boolean().optional(),
    }),
  ),
})
export type LeftOutFiles = z.output<typeof LeftOutFiles>

/** `run.json`: one run and all that a worker or a reader of its results must know. */
export const RunRecord = z.object({
  version: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,99}$/),
  state: z.enum(runStates),
  /** Grows with every `resume` after a failure or a cancellation, so that old jobs are told from new ones. */
  generation: z.int().nonnegative(),
  /**
   * How often an orchestrator took the run up where one was at it before. Each time the record is another one, by which the one before
   * learns that the run is no longer its own.
   */
  sittings: z.int().positive().optional(),
  spec: z.discriminatedUnion('kind', [ExtractSpec, PredictSpec, FinetuneSpec]),
  identity: RunIdentity,
  layers: z.array(LayerResult),
  partSize: z.int().positive(),
  /** Images computed at once. `auto` until the run is done: what its first worker found is in `batch-size.json` till then. */
  batchSize: z.union([z.int().positive(), z.literal('auto')]),
  /** The whole dataset is in the manifest. */
  planned: z.boolean(),
  /** Which change to a finished run is under way, if any. */
  updating: z.enum(['update', 'retry']).optional(),
  /**
   * The version of a registered model whose parts an update under way replaces: those that `manifest/update.json` retires are still its.
   */
  replacing: z.object({ model: z.string(), weights: z.string() }).optional(),
  /** A change asked for while the run was unfinished: it comes once what is under way is done. */
  followUp: z.enum(['update', 'retry']).optional(),
  counts: RunCounts,
  /** Of a fine-tuning run: images that are trained on and held out, and classes of the model. */
  dataset: z.object({ training: z.int(), validation: z.int(), classes: z.int() }).optional(),
  /** Of a finished run: what its last update or retry found. */
  found: UpdateFound.optional(),
  /** Of the last whole listing; left out where it took all that it met. */
  leftOut: LeftOutFiles.optional(),
  /** ISO 8601, UTC. */
  created: z.string(),
  finished: z.string().optional(),
  /** Seconds of work from start to `_SUCCESS`, of the last session. */
  seconds: z.number().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  versions: z.record(z.string(), z.string()),
  /** Of a finished run: software and hardware that computed its parts, and how many. Results have the same bits only within one of them. */
  computedBy: z
    .array(z.object({ engine: z.string(), version: z.string(), device: z.string(), cpu: z.string(), parts: z.int() }))
    .optional(),
  /**
   * Of a finished run on a network's file whose batches did not give what their images give one by one: in how many parts images were
   * computed one at a time, and why.
   */
  oneByOne: z.object({ parts: z.int(), reason: z.string() }).optional(),
  /** Of a run with `--decode draft`: images of the last session that were decoded exactly as well, and each layer's mean cosine to that. */
  draft: z.object({ images: z.int(), cosine: z.record(z.string(), z.number()) }).optional(),
  /** How an int8 run's ranges were chosen, and how far it agrees with float32. */
  calibration: CalibrationReport.optional(),
  /** Of a run with `--precision auto`. */
  precisionChoice: PrecisionChoice.optional(),
  selfCheck: z.object({ maxAbs: z.number(), cosine: z.number(), layer: z.string() }).optional(),
  /** Of a finished run: busy time of its workers, of the last session that computed something, as far as they have told. */
  phases: z.array(WorkerPhases).optional(),
})
export type RunRecord = z.output<typeof RunRecord>

/** `run.json` as text: indented, for people. */
export function serializeRunRecord(record: RunRecord): string {
  return serializeJsonRecord(record)
}

/**
 * Reads `run.json`.
 * @param strict refuses fields of a newer version, as a worker must
 * @throws LayermillError `RUN_RECORD_INVALID` naming the place and the field; `RECORD_NEWER` where it is strict
 */
export function parseRunRecord(text: string | Uint8Array, where: string, strict = false): RunRecord {
  return parseJsonRecord(RunRecord, text, { code: 'RUN_RECORD_INVALID', where: `${where}/run.json`, strict })
}
