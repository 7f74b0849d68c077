import { AuditVerdicts, type InspectionService, RunAudit, RunComparison, RunId, VerdictBody } from '@layermill/contracts'
import * as z from 'zod'
import type { App } from '../app.js'
import { problems } from './problems.js'

const params = z.object({ id: RunId })
const tags = ['runs']

const Findings = z.strictObject({
  finding: z.string().min(1).max(100).optional().describe('Findings of this kind. Default: the first with some that nobody has looked at.'),
  verdict: z.enum(['open', 'confirmed', 'dismissed', 'all']).default('open').describe('open: without a verdict.'),
  from: z
    .string()
    .regex(/^\d{1,9}$/, 'the next of an earlier answer')
    .optional()
    .describe('Place to go on: next of the answer before.'),
})

/** Adds routes for analyses of a run that are there: findings of its audit with verdicts on them, and its comparison. */
export function addAuditRoutes(app: App, inspection: InspectionService): void {
  app.get(
    '/v1/runs/:id/audit',
    {
      schema: {
        tags,
        summary: "List what an audit found among a run's images",
        operationId: 'getAudit',
        params,
        querystring: Findings,
        response: { 200: RunAudit, ...problems(404) },
        description: "Of the audit in the folder `audit` of the run's destination, kind by kind and page by page.",
      },
    },
    async request => inspection.audit(request.params.id, request.query),
  )

  app.get(
    '/v1/runs/:id/comparison',
    {
      schema: {
        tags,
        summary: "Show how alike a run's layers are",
        operationId: 'getComparison',
        params,
        response: { 200: RunComparison, ...problems(404) },
        description: "Of the comparison in the folder `compare` of the run's destination: matrices of all pairs, and a tree by likeness.",
      },
      // Hundreds of sets: checked when the file was read.
      serializerCompiler: () => data => JSON.stringify(data),
    },
    async request => inspection.comparison(request.params.id),
  )

  app.post(
    '/v1/runs/:id/audit/verdicts',
    {
      schema: {
        tags,
        summary: 'Confirm or dismiss findings of an audit',
        operationId: 'judgeFindings',
        params,
        body: VerdictBody,
        response: { 200: AuditVerdicts, ...problems(404) },
        description:
          'Kept in the column verdict of `audit/audit.csv`, where the next audit of these features and `--without` and `--relabel` read them.',
      },
    },
    async request => inspection.judge(request.params.id, request.body),
  )
}
