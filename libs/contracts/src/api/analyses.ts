import * as z from 'zod'
import { analysisKinds } from '../jobs/analysis-kinds.js'
import { auditSettings, compareSettings } from '../jobs/analysis-settings.js'
import { RunId } from './runs.js'

const time = z.string().describe('ISO 8601, UTC.')

const layer = z.string().min(1).max(200)

export const AnalysisBody = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('audit'),
      layer: layer.optional().describe('Layer to look at. Default: the last of the run.'),
      settings: auditSettings(RunId).optional().describe('As the flags of the command are named.'),
    }),
    z.strictObject({
      kind: z.literal('compare'),
      layers: z.string().min(1).max(2000).optional().describe('Layers with commas, * for any characters. Default: all.'),
      with: z.array(RunId).max(5).optional().describe('Other runs whose layers are compared as well.'),
      settings: compareSettings.optional().describe('As the flags of the command are named.'),
    }),
  ])
  .meta({ id: 'AnalysisBody', description: "An analysis of a run's features." })
export type AnalysisBody = z.output<typeof AnalysisBody>

export const Analysis = z
  .object({
    kind: z.enum(analysisKinds),
    state: z.enum(['waiting', 'running', 'done', 'failed']),
    layers: z.string().optional().describe('Layers that it looks at.'),
    out: z.string().describe('Folder of its results.'),
    added: time,
    started: time.optional().describe('Of the latest attempt.'),
    finished: time.optional(),
    attempts: z.int().nonnegative().describe('Attempts that ended.'),
    error: z
      .object({ code: z.string(), message: z.string(), hint: z.string().optional() })
      .optional()
      .describe('Why it, or its latest attempt, failed.'),
  })
  .meta({ id: 'Analysis', description: "An analysis of a run's features as a job." })
export type Analysis = z.output<typeof Analysis>

export const AnalysisList = z
  .object({ analyses: z.array(Analysis) })
  .meta({ id: 'AnalysisList', description: 'Analyses of a run that the queue knows, at most one of a kind.' })
