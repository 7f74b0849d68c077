import { Analysis, AnalysisBody, analysisKinds, AnalysisList, type AnalysisService, RunId } from '@layermill/contracts'
import * as z from 'zod'
import type { App } from '../app.js'
import { problems } from './problems.js'

const params = z.object({ id: RunId })
const tags = ['runs']

/** Adds routes for analyses of runs as jobs. */
export function addAnalysisRoutes(app: App, analyses: AnalysisService): void {
  app.post(
    '/v1/runs/:id/analyses',
    {
      schema: {
        tags,
        summary: "Audit or compare a run's features",
        operationId: 'startAnalysis',
        params,
        body: AnalysisBody,
        response: { 202: Analysis, ...problems(404) },
        description:
          "A job of the queue, at most one of a kind for a run at a time. Its results are in the folder of that name in the run's destination.",
      },
    },
    async (request, reply) => reply.code(202).send(await analyses.start(request.params.id, request.body)),
  )

  app.get(
    '/v1/runs/:id/analyses',
    {
      schema: {
        tags,
        summary: "Show the analyses of a run's features",
        operationId: 'listAnalyses',
        params,
        response: { 200: AnalysisList, ...problems(404) },
      },
    },
    async request => ({ analyses: await analyses.list(request.params.id) }),
  )

  app.delete(
    '/v1/runs/:id/analyses/:kind',
    {
      schema: {
        tags,
        summary: "Cancel an analysis of a run's features",
        operationId: 'cancelAnalysis',
        params: params.extend({ kind: z.enum(analysisKinds) }),
        response: { 204: z.null().describe('It is cancelled.'), ...problems(404) },
        description: 'One that waits is forgotten; one that runs fails with `ANALYSIS_CANCELLED`. What is in its folder stays.',
      },
    },
    async (request, reply) => {
      await analyses.cancel(request.params.id, request.params.kind)
      return reply.code(204).send(null)
    },
  )
}
