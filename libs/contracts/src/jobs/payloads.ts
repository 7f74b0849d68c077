import { hasCredentials, LayermillError } from '@layermill/core'
import * as z from 'zod'
import { priorities } from '../specs/priority.js'
import { RunSpec } from '../specs/spec.js'
import { analysisKinds } from './analysis-kinds.js'
import { auditSettings, compareSettings } from './analysis-settings.js'
import { kinds } from '../specs/spec-fields.js'
import { formatZodError } from '../specs/spec-error.js'

/** Queues by what their jobs do. */
export const queueNames = {
  /** One job for each run: plan it, watch it, finish it. */
  runs: 'layermill-runs',
  /** One job for each part of an extraction or prediction. */
  parts: 'layermill-parts',
  /** One job for each micro-batch of a fine-tuning step. */
  gradients: 'layermill-gradients',
  /** One job for each analysis of a run's features: an audit, a comparison. */
  analyses: 'layermill-analyses',
  /** Never worked off: one job for each worker, whose data is its last heartbeat. */
  workers: 'layermill-workers',
  /** Ticks of schedules. */
  schedules: 'layermill-schedules',
  /** Never worked off: where the fleet's state is kept. */
  state: 'layermill-state',
  /** Events for webhooks, and their deliveries. */
  webhooks: 'layermill-webhooks',
} as const

/** Largest payload, in bytes of its JSON. Jobs carry names, never images or tensors. */
export const payloadLimit = 16 * 1024

const name = z.string().min(1).max(200)
const storeUrl = z
  .string()
  .min(1)
  .max(4096)
  .refine(value => !hasCredentials(value), 'a URL without credentials')
const index = z.int().min(0).max(1e9)

/** Compute one part: everything else is in the run's store, under these names. */
export const PartJob = z.strictObject({
  v: z.literal(1),
  /** The run's id. */
  run: name,
  /** URL or path of the run's store, without credentials. */
  store: storeUrl,
  /** The part's number; its manifest slice is `manifest/part-NNNNN.jsonl`. */
  part: index,
  /** Which planning of the run this job belongs to; a worker drops jobs of an older one. */
  generation: index.default(0),
})
export type PartJob = z.output<typeof PartJob>

/** Sum the gradients of one micro-batch at one version of the parameters, or score one of held-out images. */
export const GradientJob = z.strictObject({
  v: z.literal(1),
  run: name,
  store: storeUrl,
  /** Results to compute: gradients of training images, or scores of held-out ones. */
  purpose: z.enum(['train', 'evaluate']).default('train'),
  /** Names this term of the coordinator: keys in the exchange begin with it, so that nothing of an earlier one is taken for its own. */
  session: name.default('0'),
  step: index,
  /** Position of the micro-batch in its step's global batch, or among the held-out images. */
  micro: index,
  /** Version of the parameters: their key in the exchange. */
  version: index,
})
export type GradientJob = z.output<typeof GradientJob>

/** Plan and follow one run. */
export const RunJob = z.strictObject({
  v: z.literal(1),
  run: name,
  store: storeUrl,
  /** Spec to carry out. Default: the spec of the run that is at the store. */
  spec: RunSpec.optional(),
  /** Somebody asked for its end; whoever works on it sees this within seconds. */
  cancel: z.boolean().optional(),
  /** Goes on with a run that ended early, and is not a new command for it. */
  resume: z.boolean().optional(),
  /** Since when it is paused, ISO 8601: whoever has it lets go of it within seconds, and it waits until it is resumed. */
  paused: z.string().optional(),
  /** Of a spec that is too large for a job: its hash, and what lists of runs show. The spec is in the run's store. */
  submitted: z
    .strictObject({
      sha256: z.string(),
      kind: z.enum(kinds),
      source: z.string(),
      model: z.string(),
      out: z.string().optional(),
      priority: z.enum(priorities).optional(),
    })
    .optional(),
})
export type RunJob = z.output<typeof RunJob>

/** Choices of a comparison by a job, those of a command that shares its blocks among them. */
const comparison = compareSettings.extend({
  /** Table to predict: its rows are matched with those of the sets. */
  targets: storeUrl.optional(),
  folds: index.optional(),
  penalties: z.array(z.number().positive()).max(1000).optional(),
  /** Bytes for matrices. */
  memory: z.number().nonnegative().optional(),
})

/** Audit or compare the features of a finished run, or one block of what a command compares. */
export const AnalysisJob = z.strictObject({
  v: z.literal(1),
  /** The run's id; of a command's comparison a name of its own. */
  run: name,
  /** The run's store; of a command's comparison the folder of its results. */
  store: storeUrl,
  kind: z.enum(analysisKinds),
  /** The layer of an audit; those of a comparison, all where left out. */
  layers: z.string().max(2000).optional(),
  /** Stores of other runs of a comparison. */
  others: z.array(storeUrl).max(5).default([]),
  /** Blocks that a comparison's pairs fall into, each a job of its own; 0: it is one job. */
  blocks: z.int().min(0).max(100).default(0),
  /** Place of the block that this job is of; the job without puts the blocks together. */
  block: z.int().min(0).max(99).optional(),
  /** Places that a command compares, and how they were written, which names the sets, where that is another text. */
  sets: z
    .array(z.strictObject({ place: storeUrl, written: storeUrl.optional() }))
    .min(1)
    .max(1000)
    .optional(),
  audit: auditSettings(storeUrl).optional(),
  compare: comparison.optional(),
  /** It is to end. */
  cancel: z.boolean().optional(),
})
export type AnalysisJob = z.output<typeof AnalysisJob>

const schemas = { part: PartJob, gradient: GradientJob, run: RunJob, analysis: AnalysisJob }
export type PayloadKind = keyof typeof schemas
export interface Payloads {
  part: PartJob
  gradient: GradientJob
  run: RunJob
  analysis: AnalysisJob
}

/** Checked where a job is made and again where it is read. */
function checked<Kind extends PayloadKind>(kind: Kind, input: unknown): Payloads[Kind]
function checked(kind: PayloadKind, input: unknown): PartJob | GradientJob | RunJob | AnalysisJob {
  const bytes = Buffer.byteLength(JSON.stringify(input) ?? '')
  if (bytes > payloadLimit) {
    throw new LayermillError('PAYLOAD_TOO_LARGE', `${kind} job: payload of ${bytes} bytes, expected at most ${payloadLimit}`)
  }
  const result = schemas[kind].safeParse(input)
  if (result.success) return result.data
  const error = formatZodError(result.error, input, { code: 'PAYLOAD_INVALID', fields: Object.keys(schemas[kind].shape) })
  throw new LayermillError('PAYLOAD_INVALID', `${kind} job: ${error.message}`, {
    hint: 'A newer version may have made this job: run the same version everywhere.',
  })
}

/** A payload to be queued. Throws `PAYLOAD_TOO_LARGE` or `PAYLOAD_INVALID`. */
export function makePayload<Kind extends PayloadKind>(kind: Kind, input: z.input<(typeof schemas)[Kind]>): Payloads[Kind] {
  return checked(kind, input)
}

/** A job's data as a worker must take it: checked again, for queues are shared. Throws `PAYLOAD_TOO_LARGE` or `PAYLOAD_INVALID`. */
export function readPayload<Kind extends PayloadKind>(kind: Kind, data: unknown): Payloads[Kind] {
  return checked(kind, data)
}
