import { redact } from '@layermill/core'
import { UnfitFor, WaitsFor } from '../jobs/worker-beat.js'
import { CalibrationReport, PrecisionChoice } from '../records/calibration.js'
import { WorkerPhases } from '../jobs/phases.js'
import { LayerResult, LeftOutFiles, RunCounts, RunIdentity, RunRecord, UpdateFound } from '../records/run-record.js'
import { runStates } from '../records/run-state.js'
import type { RunKind } from '../specs/spec.js'
import { Waiting } from './waiting.js'
import * as z from 'zod'
import { Registered } from '../registry/records.js'

const kinds = ['extract', 'predict', 'finetune'] as const satisfies readonly RunKind[]

export const RunId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,99}$/, 'a run id: lower-case letters, digits and dashes, at most 100 characters')
  .describe('Id of a run, as submit and list give it.')

const time = z.string().describe('ISO 8601, UTC.')
const count = z.int().nonnegative()

const RunError = z.object({ code: z.string(), message: z.string() }).describe('Why the run failed.')

const RunName = z.string().max(100).describe('A name that people gave it.')
const RunTags = z
  .array(z.string().regex(/^[^\s,][^,\n\r]{0,39}$/, 'a word of at most 40 characters without commas'))
  .max(20)
  .describe('Words that people gave it.')
const RunNotes = z.string().max(4000).describe('Notes that people wrote.')

/** Words of people on a run. A field that is left out stays as it is; an empty one is taken away. */
export const RunWords = z.strictObject({ name: RunName.optional(), tags: RunTags.optional(), notes: RunNotes.optional() })
export type RunWords = z.output<typeof RunWords>

export const OpenRunBody = z.strictObject({
  place: z.string().min(1).max(2048).describe('Folder or URL that holds a run.json.'),
})

/** Orders of a list of runs. */
export const runOrders = ['created', 'name', 'state', 'images', 'seconds', 'accuracy'] as const

/** A run in lists and in answers to submit, cancel and resume. */
export const RunSummary = z
  .object({
    id: RunId,
    kind: z.enum(kinds),
    state: z.enum(runStates),
    source: z.string(),
    model: z.string(),
    out: z.string().optional(),
    counts: RunCounts,
    created: time,
    finished: time.optional(),
    error: RunError.optional(),
    waiting: Waiting.optional().describe('Of a run that has not ended: what it waits for, if it does not go on just now.'),
    seconds: z.number().optional().describe('Of a run that is done: seconds of work of its last session.'),
    layerNames: z.array(z.string()).optional().describe('Layers that it writes, or that its head is on.'),
    accuracy: z.number().optional().describe('Of a fine-tuning run: held-out accuracy of its best epoch, 0 to 1.'),
    name: RunName.optional(),
    tags: RunTags.optional(),
    notes: RunNotes.optional(),
  })
  .meta({ id: 'RunSummary', description: 'A run in short.' })
export type RunSummary = z.output<typeof RunSummary>

const trainingPhases = ['check', 'features', 'train', 'validate', 'write', 'epoch'] as const

/** Progress of a fine-tuning run, or the results of one of its epochs. */
export const TrainingState = z.object({
  phase: z
    .enum(trainingPhases)
    .optional()
    .describe('check, features: images are looked at, a frozen base computes; train, validate, write: under way; epoch: one has ended.'),
  step: count.describe('Updates of the epoch (train), pieces scored (validate), images (check, features), all updates so far (epoch).'),
  steps: count.optional().describe('How many there will be.'),
  epoch: z.number().nonnegative().describe('From 1; 0 before the first.'),
  epochs: count.optional().describe('Most epochs of the run.'),
  metrics: z
    .record(z.string(), z.number())
    .describe(
      'loss, accuracy, images, imagesLeft of an epoch under way; loss, accuracy, learningRate, gradientNorm, best (0 or 1) and, ' +
        'where images are held out, validationLoss, validationAccuracy, validationMacroF1 of one that has ended.',
    ),
})
export type TrainingState = z.output<typeof TrainingState>

/** A run with its spec and, once known, what decides its numbers and what it writes. */
export const RunDetail = z
  .object({
    ...RunSummary.shape,
    generation: count.describe('Grows with every resume.'),
    sittings: count.optional().describe('How often an orchestrator took the run up where one was at it before; left out where none did.'),
    spec: z.record(z.string(), z.unknown()).describe('The spec with its defaults filled in; it can be submitted again as it is.'),
    place: z.string().optional().describe('Of a run that was opened from its files: where these are.'),
    planned: z.boolean().describe('The whole dataset is listed.'),
    partSize: z.int().positive().optional(),
    batchSize: z.int().positive().optional().describe('Images computed at once; left out until it is found, with auto.'),
    identity: RunIdentity.optional(),
    layers: z.array(LayerResult).optional(),
    seconds: z.number().optional(),
    versions: z.record(z.string(), z.string()).optional(),
    selfCheck: z.object({ maxAbs: z.number(), cosine: z.number(), layer: z.string() }).optional(),
    computedBy: RunRecord.shape.computedBy.describe(
      'Of a finished run: engine, runtime, device and kind of CPU of its parts, and how many parts. Results are the same bits within one.',
    ),
    oneByOne: RunRecord.shape.oneByOne.describe(
      'Of a finished run on an ONNX file whose batches differ from their images: in how many parts images were computed one at a time, and why.',
    ),
    draft: RunRecord.shape.draft.describe(
      'Of a run with --decode draft: images of its last session that were decoded exactly as well, and the mean cosine of each layer to that.',
    ),
    calibration: CalibrationReport.optional().describe('Of an int8 run: how its ranges were chosen, and how far it agrees with float32.'),
    precisionChoice: PrecisionChoice.optional().describe('Of a run with precision auto: the precision taken, and why.'),
    found: UpdateFound.optional().describe(
      'Of a finished run: images that its last update or retry found new, changed, deleted, or tried again.',
    ),
    leftOut: LeftOutFiles.optional().describe('What the listing of the images did not take, by reason and by example.'),
    registered: z
      .object({ name: z.string(), ...Registered.shape })
      .optional()
      .describe('Of a finished run that registered its model: which version it is, promoted or not, and why.'),
    stale: z
      .object({ name: z.string(), version: z.int().positive(), latest: z.int().positive() })
      .optional()
      .describe('The features were made with another version of this registered model than is the latest now.'),
    dataset: z
      .object({ training: count, validation: count, classes: count })
      .optional()
      .describe('Of a fine-tuning run, once it is planned: images that are trained on and held out, and classes of the model.'),
    phases: z
      .array(WorkerPhases)
      .optional()
      .describe('Busy time of the workers by phase, of the last session that computed something, as far as they have told.'),
    failures: z
      .array(z.object({ key: z.string(), code: z.string(), reason: z.string() }))
      .optional()
      .describe(
        'Of a run that has ended: the first ten images that were left out, with their reasons. All of them: GET /v1/runs/{id}/failures.',
      ),
    training: TrainingState.optional().describe('Of a fine-tuning run that is under way.'),
    epochs: z.array(TrainingState).optional().describe('Of a fine-tuning run: its epochs so far, the last thousand.'),
  })
  .meta({ id: 'RunDetail', description: 'A run with its spec, identity and layers.' })
export type RunDetail = z.output<typeof RunDetail>

/** A run record (`run.json`) in short, as the API shows it. Errors are shown without credentials. */
export function summarizeRun(record: RunRecord): RunSummary {
  const { id, state, spec, counts, created, finished, error, seconds, layers } = record
  return {
    id,
    kind: spec.kind,
    state,
    source: spec.source,
    model: spec.model,
    out: spec.out,
    counts,
    created,
    finished,
    error: error === undefined ? undefined : { code: error.code, message: redact(error.message) },
    ...(seconds === undefined ? {} : { seconds }),
    ...(layers.length === 0 ? {} : { layerNames: layers.map(({ name }) => name) }),
  }
}

/** A run record (`run.json`) as the API shows it in full. */
export function describeRun(record: RunRecord): RunDetail {
  const {
    generation,
    sittings,
    spec,
    planned,
    partSize,
    batchSize,
    identity,
    layers,
    seconds,
    versions,
    selfCheck,
    calibration,
    dataset,
    leftOut,
    found,
    computedBy,
    phases,
    oneByOne,
    draft,
  } = record
  return {
    ...summarizeRun(record),
    ...(leftOut && { leftOut }),
    ...(found && { found }),
    generation,
    sittings,
    spec: { ...spec },
    planned,
    partSize,
    batchSize: batchSize === 'auto' ? undefined : batchSize,
    identity,
    layers,
    seconds,
    versions,
    selfCheck,
    calibration,
    dataset,
    computedBy,
    phases,
    oneByOne,
    draft,
  }
}

export const RunQuery = z.strictObject({
  state: z.enum(runStates).optional().describe('Only runs in this state.'),
  kind: z.enum(kinds).optional().describe('Only runs of this kind.'),
  search: z
    .string()
    .max(200)
    .optional()
    .describe('Only runs with these words in their id, name, tags, notes, model, source, place or layers.'),
  tag: z.string().max(40).optional().describe('Only runs with this tag.'),
  sort: z.enum(runOrders).optional().describe('Order; default created.'),
  order: z.enum(['down', 'up']).optional().describe('down (default): the newest, the largest, the last of the alphabet first.'),
  cursor: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[\w.:~-]+$/, 'the next of an earlier answer')
    .optional()
    .describe('Where to go on: next of the earlier answer.'),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'a whole number from 1 to 200')
    .transform(Number)
    .pipe(z.int().min(1, 'a whole number from 1 to 200').max(200, 'a whole number from 1 to 200'))
    .default(50)
    .describe('Most runs in one answer, 1 to 200.'),
})

export const RunPage = z
  .object({
    runs: z.array(RunSummary).describe('In the order asked for; newest first by default.'),
    total: z.int().nonnegative().optional().describe('How many there are on all pages, where the server keeps a list of its own.'),
    next: z.string().optional().describe('Cursor of the next page; left out on the last.'),
  })
  .meta({ id: 'RunPage', description: 'A page of runs.' })
export type RunPage = z.output<typeof RunPage>

/** Progress of a run in images and parts. */
const RunProgress = z.object({
  counts: RunCounts,
  partsDone: count,
  imagesPerSecond: z.number().nonnegative().optional(),
  secondsLeft: z.number().nonnegative().optional(),
  phases: z.array(WorkerPhases).optional(),
})

/** Event of a run while it is under way. */
export const RunEvent = z
  .discriminatedUnion('event', [
    z.object({ id: z.string(), event: z.literal('state'), data: RunSummary }),
    z.object({ id: z.string(), event: z.literal('progress'), data: RunProgress }),
    z.object({ id: z.string(), event: z.literal('failure'), data: z.object({ key: z.string(), code: z.string(), reason: z.string() }) }),
    z.object({ id: z.string(), event: z.literal('training'), data: TrainingState }),
  ])
  .meta({
    id: 'RunEvent',
    description:
      'One server-sent event: its id, its name (event) and its data. state: the run changed state; progress: images and parts; ' +
      'failure: an image was left out; training: metrics of a step or epoch.',
  })
export type RunEvent = z.output<typeof RunEvent>

/** A worker that was heard of lately. */
export const WorkerInfo = z
  .object({
    id: z.string(),
    host: z.string(),
    state: z.enum(['idle', 'busy', 'draining']),
    device: z.string().describe('Device in use: cpu, cuda, webgpu.'),
    engine: z.string(),
    version: z.string(),
    started: time,
    seen: time.describe('Last heartbeat.'),
    jobs: z.array(z.object({ run: z.string(), part: count, done: count, images: count })).describe('What it is doing.'),
    imagesPerSecond: z.number().nonnegative(),
    unfit: z
      .array(UnfitFor)
      .optional()
      .describe(
        'Runs that it cannot work on, and why: their parts go to others. trial: the reason seems to be gone, which its next part decides. ' +
          'job: only such jobs of the run are meant, which a newer version made; others it does.',
      ),
    waits: z.array(WaitsFor).optional().describe('What it waits for just now, such as a store that asks to slow down.'),
  })
  .meta({ id: 'WorkerInfo', description: 'A worker, what it computes on and what it is doing.' })
export type WorkerInfo = z.output<typeof WorkerInfo>

/** Jobs of one queue by state. */
export const QueueDepth = z
  .object({
    queue: z.string(),
    waiting: count,
    prioritized: count,
    delayed: count.describe('All that wait for a time to come, those that are due included.'),
    due: count.describe('Delayed jobs whose time has come.'),
    active: count,
    failed: count,
  })
  .meta({ id: 'QueueDepth', description: 'Jobs of one queue by state.' })
export type QueueDepth = z.output<typeof QueueDepth>

/** State that all workers of a fleet share. */
export const FleetState = z
  .object({
    paused: z.boolean().describe('Workers begin nothing more; what they have they finish.'),
  })
  .meta({ id: 'FleetState', description: 'Whether the workers of a fleet may begin anything.' })
export type FleetState = z.output<typeof FleetState>

/** One thing that must be there for the orchestrator to work: the queue, the store. */
export const ReadinessCheck = z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })
export type ReadinessCheck = z.output<typeof ReadinessCheck>

export const Readiness = z
  .object({ ready: z.boolean(), checks: z.array(ReadinessCheck) })
  .meta({ id: 'Readiness', description: 'What the server needs and whether it is there.' })

export const WorkerList = z.object({ workers: z.array(WorkerInfo) })
export const QueueList = z.object({ queues: z.array(QueueDepth) })
export const Health = z.object({ status: z.literal('ok') })

/** A problem document of RFC 9457. */
export const Problem = z
  .object({
    type: z.string().describe('URN of the code.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was wrong, and what was expected.'),
    code: z.string().describe('For programs; stable.'),
    instance: z.string().describe('URN of the request; the same id is in the x-request-id header and the log.'),
    hint: z.string().optional().describe('What to do next.'),
    errors: z.array(z.string()).optional().describe('One line a field, where several are wrong.'),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' })
export type Problem = z.output<typeof Problem>
