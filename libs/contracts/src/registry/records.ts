import { parseJsonRecord } from '../records/json-record.js'
import * as z from 'zod'

const time = z.string().describe('ISO 8601, UTC.')
const version = z.int().positive()
const count = z.int().nonnegative()
const share = z.number().min(0).max(1)

/** `versions/N/version.json`: written first, and by one only: it is what gives a run its number. */
export const VersionRecord = z
  .object({
    format: z.literal('layermill-model-version'),
    version,
    name: z.string(),
    run: z.string().describe('The fine-tuning run that made it.'),
    out: z.string().describe('Where that run left its files.'),
    sha256: z.string().describe('Of the canonical weights.'),
    created: time,
    by: z.string().describe('Who registered it.'),
  })
  .meta({ id: 'ModelVersionRecord', description: 'Where a version comes from.' })
export type VersionRecord = z.output<typeof VersionRecord>

/** Score of one model on the held-out images that were compared. */
const Score = z.object({ version, accuracy: share, correct: count })

/** `versions/N/evaluation.json`: the comparison with the version that was promoted at the time, and what followed from it. */
export const Evaluation = z
  .object({
    format: z.literal('layermill-evaluation'),
    version,
    promoted: z.boolean(),
    reason: z.string(),
    time,
    run: z.string(),
    margin: z.number().nonnegative(),
    heldOut: z
      .object({
        source: z.string(),
        images: count.describe('All of them.'),
        compared: count.describe('Those of classes that both versions know, and that could be computed.'),
        sha256: z.string().describe('Of their keys and classes.'),
      })
      .optional()
      .describe('Left out for the first version.'),
    leaks: z
      .object({
        images: count,
        by: z.enum(['bytes', 'features']).optional().describe('Same files (also where left out), or nearly the same features.'),
        keys: z.array(z.string()).describe('The first of them.'),
        training: z.array(z.string()).optional().describe('The training image that each of these is.'),
      })
      .optional()
      .describe('Held-out images that are trained on too: the versions are not compared on them.'),
    challenger: Score.optional().describe('Of the first version: on the images that its run held out.'),
    champion: Score.optional(),
    bootstrap: z
      .object({
        difference: z.number().describe('Accuracy of the challenger less that of the champion.'),
        lower: z.number().describe('Lower bound of the difference, one-sided.'),
        confidence: share,
        resamples: count,
        seed: count,
      })
      .optional(),
    targets: z
      .array(
        z.object({
          name: z.string(),
          compared: count,
          champion: share.describe('Share of right answers, or the score of numbers.'),
          challenger: share,
          difference: z.number(),
          lower: z.number().describe('Lower bound of the difference, one-sided.'),
        }),
      )
      .optional()
      .describe('Of models with several targets, instead of champion, challenger and bootstrap: each must be within the margin.'),
    classes: z.object({ added: z.array(z.string()), removed: z.array(z.string()) }).optional(),
  })
  .meta({ id: 'ModelEvaluation', description: 'How a version compares with the one that was promoted, and what followed.' })
export type Evaluation = z.output<typeof Evaluation>

export const registryEvents = ['promoted', 'kept', 'rolled-back'] as const

/** One line of `history.jsonl`. */
export const HistoryEntry = z
  .object({
    sequence: z.int().positive(),
    event: z
      .enum(registryEvents)
      .describe('promoted: became latest; kept: a challenger that did not; rolled-back: an earlier one is latest again.'),
    version: version.describe('The version that was promoted, judged, or gone back to.'),
    previous: version.optional().describe('The version that was latest before; left out where there was none.'),
    time,
    by: z.string(),
    reason: z.string(),
    run: z.string().optional().describe('The run whose registration this was; left out for what somebody did by hand.'),
    bootstrap: Evaluation.shape.bootstrap,
    stale: z.array(z.string()).optional().describe('Feature sets of other versions at that time; at most 100.'),
  })
  .meta({ id: 'ModelHistoryEntry', description: 'Who changed what when, and why.' })
export type HistoryEntry = z.output<typeof HistoryEntry>

/** Outcome for a run's model: its entry in the history, which begins with a version that is the latest. */
export const Registered = HistoryEntry.extend({
  sequence: HistoryEntry.shape.sequence.optional().describe('Left out for a first version that is refused: it is not in the history.'),
}).meta({ id: 'RegisteredModel', description: 'What became of the model of a run.' })
export type Registered = z.output<typeof Registered>

/** `latest.json`: replaced by compare and swap. Its entry is the last of the history, whether that has it yet or not. */
export const Latest = z
  .object({
    format: z.literal('layermill-latest'),
    name: z.string(),
    version: version.describe('The version that NAME@latest means.'),
    sha256: z.string().describe('Of its canonical weights.'),
    promoted: time,
    trail: z.array(version).describe('Versions that were latest before, the last one last: what rollback goes back to.'),
    entry: HistoryEntry,
  })
  .meta({ id: 'ModelLatest', description: 'The version that is used.' })
export type Latest = z.output<typeof Latest>

/** `uses/HASH.json`: results that were made with a version. */
export const ModelUse = z
  .object({
    out: z.string(),
    kind: z.string(),
    run: z.string(),
    version,
    time,
  })
  .meta({ id: 'ModelUse', description: 'Results that were made with a version.' })
export type ModelUse = z.output<typeof ModelUse>

/**
 * Reads a record.
 * @param where for messages: URL and path of the file
 * @throws LayermillError `REGISTRY_INVALID` naming file and field
 */
export function parseRecord<Schema extends z.ZodType>(schema: Schema, bytes: Uint8Array | string, where: string): z.output<Schema> {
  return parseJsonRecord(schema, bytes, { code: 'REGISTRY_INVALID', where })
}
