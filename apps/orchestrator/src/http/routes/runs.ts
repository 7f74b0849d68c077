import {
  OpenRunBody,
  parseSpec,
  RunDetail,
  RunId,
  RunPage,
  RunPlan,
  RunQuery,
  type RunService,
  type RunShelf,
  RunSpec,
  RunSummary,
  RunWords,
} from '@layermill/contracts'
import * as z from 'zod'
import type { App } from '../app.js'
import { problems } from './problems.js'

const params = z.object({ id: RunId })
const tags = ['runs']

const SpecBody = RunSpec.meta({
  id: 'RunSpec',
  description: "What to do: a run's kind, source, network and the rest. Fields with a default may be left out.",
})

function checkSpec(body: unknown): { value: RunSpec } | { error: Error } {
  try {
    return { value: parseSpec(body) }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}

/** Submitting, listing and steering runs. */
export function addRunRoutes(app: App, runs: RunService): void {
  app.post(
    '/v1/runs',
    {
      schema: {
        tags,
        summary: 'Submit a run',
        operationId: 'submitRun',
        description:
          'The body is a spec, the same that `layermill extract -f` reads. Fields with a default may be left out. With `plan` the answer (200) says what the run would do, and nothing is queued.',
        body: SpecBody,
        response: { 200: RunPlan, 202: RunSummary, ...problems(409, 413, 415, 422) },
      },
      // The spec's own parser names each wrong field with what was given and what was expected.
      validatorCompiler: () => checkSpec,
    },
    async (request, reply) => {
      if (request.body.plan) return reply.code(200).send(await runs.plan(request.body))
      const run = await runs.submit(request.body)
      return reply.code(202).header('location', `/v1/runs/${run.id}`).send(run)
    },
  )

  app.get(
    '/v1/runs',
    {
      schema: {
        tags,
        summary: 'List and search runs',
        operationId: 'listRuns',
        querystring: RunQuery,
        response: { 200: RunPage, ...problems() },
      },
    },
    async request => runs.list(request.query),
  )

  app.get(
    '/v1/runs/:id',
    {
      schema: { tags, summary: 'Show a run', operationId: 'getRun', params, response: { 200: RunDetail, ...problems(404) } },
    },
    async request => runs.get(request.params.id),
  )

  app.post(
    '/v1/runs/:id/cancel',
    {
      schema: {
        tags,
        summary: 'Cancel a run',
        operationId: 'cancelRun',
        params,
        response: { 200: RunPlan, 202: RunSummary, ...problems(404, 409) },
        description: 'Parts that are being computed are finished or dropped; what is committed stays, and the run can be resumed.',
      },
    },
    async (request, reply) => reply.code(202).send(await runs.cancel(request.params.id)),
  )

  app.post(
    '/v1/runs/:id/pause',
    {
      schema: {
        tags,
        summary: 'Pause a run',
        operationId: 'pauseRun',
        params,
        response: { 202: RunSummary, ...problems(404, 409) },
        description:
          'Parts that are being computed are finished, no others are begun, until the run is resumed. A fine-tuning run goes on from its last checkpoint.',
      },
    },
    async (request, reply) => reply.code(202).send(await runs.pause(request.params.id)),
  )

  app.post(
    '/v1/runs/:id/resume',
    {
      schema: {
        tags,
        summary: 'Resume a run',
        operationId: 'resumeRun',
        params,
        response: { 200: RunPlan, 202: RunSummary, ...problems(404, 409) },
        description: 'Goes on with a run that is paused, failed, was cancelled or was interrupted. Committed parts are not computed again.',
      },
    },
    async (request, reply) => reply.code(202).send(await runs.resume(request.params.id)),
  )
}

/** Words of people on runs, and runs that are opened from their files. */
export function addShelfRoutes(app: App, shelf: RunShelf): void {
  app.patch(
    '/v1/runs/:id',
    {
      schema: {
        tags,
        summary: 'Name, tag or annotate a run',
        operationId: 'describeRun',
        params,
        body: RunWords,
        response: { 200: RunSummary, ...problems(404, 413, 415) },
        description: 'Fields that are left out stay as they are; empty ones are taken away.',
      },
    },
    async request => shelf.describe(request.params.id, request.body),
  )

  app.post(
    '/v1/runs/open',
    {
      schema: {
        tags,
        summary: 'Open a run from its files',
        operationId: 'openRun',
        body: OpenRunBody,
        response: { 200: RunSummary, ...problems(409, 413, 415, 422) },
        description: 'A folder or bucket with a run.json, below a place that the server allows. The run is listed and shown from then on.',
      },
    },
    async request => shelf.open(request.body.place),
  )
}
