import * as z from 'zod'
import { Evaluation, HistoryEntry, Latest, ModelUse, VersionRecord } from '../registry/records.js'

const version = z.int().positive()

export const ModelParams = z.object({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'the name of a registered model')
    .describe('Name of a registered model.'),
})

const ModelSummarySchema = z
  .object({
    name: z.string(),
    latest: version.optional().describe('The version that NAME@latest means; left out while a first one is on its way.'),
    versions: z.int().nonnegative().describe('How many there are.'),
    promoted: z.string().optional().describe('Since when it is the latest. ISO 8601, UTC.'),
  })
  .meta({ id: 'ModelSummary', description: 'A registered model in short.' })

export const ModelList = z.object({ models: z.array(ModelSummarySchema) })

const { format: _format, ...versionFields } = VersionRecord.shape

const ModelVersionSchema = z
  .object({
    ...versionFields,
    url: z.string().describe('Folder or URL of its files.'),
    latest: z.boolean(),
    complete: z.boolean().describe('All of its files are there.'),
    evaluation: Evaluation.optional(),
  })
  .meta({ id: 'ModelVersion', description: 'One version of a registered model.' })

export const ModelDetailSchema = z
  .object({
    ...ModelSummarySchema.shape,
    previous: version.optional().describe('The version that a rollback would make the latest; left out where there is none before.'),
    details: z.array(ModelVersionSchema).describe('The versions, newest first.'),
    history: z.array(HistoryEntry).describe('What happened, newest first.'),
    uses: z
      .array(z.object({ ...ModelUse.shape, stale: z.boolean().describe('It was made with another version than the latest.') }))
      .describe('Feature sets that were made with it.'),
  })
  .meta({ id: 'ModelDetail', description: 'A registered model with its versions, history and uses.' })

export const LatestSchema = Latest

const change = {
  reason: z.string().max(1000).optional().describe('Why; kept in the history.'),
  from: version.optional().describe('Change only where this version is the latest, so that the same request twice changes once.'),
}
export const PromoteBody = z.strictObject({ version: version.describe('The version to make the latest.'), ...change })
export const RollbackBody = z.strictObject(change)
