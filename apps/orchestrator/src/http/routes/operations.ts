import { errorMessage, redact } from '@layermill/core'
import * as z from 'zod'
import type { App } from '../app.js'
import { answerWithin } from '../deadline.js'
import type { Metrics } from '../metrics.js'
import { type FleetService, Health, Readiness, type ReadinessCheck, type RunService } from '@layermill/contracts'
import { problems } from './problems.js'

/** Longest wait for the queue and the store; shorter than what probes wait. */
const readyDeadline = 4000

async function checks(fleet: FleetService): Promise<ReadinessCheck[]> {
  try {
    const answers = await answerWithin(fleet.ready(), readyDeadline, 'the readiness check')
    return answers.map(({ name, ok, detail }) => ({ name, ok, detail: detail === undefined ? undefined : redact(detail) }))
  } catch (error) {
    return [{ name: 'fleet', ok: false, detail: redact(errorMessage(error)) }]
  }
}

/** Liveness, readiness and metrics. */
export function addOperationRoutes(app: App, { runs, fleet, metrics }: { runs: RunService; fleet: FleetService; metrics: Metrics }): void {
  const tags = ['operations']

  app.get(
    '/healthz',
    {
      schema: { tags, summary: 'The process is alive', operationId: 'health', security: [], response: { 200: Health } },
    },
    () => Promise.resolve({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Everything the server needs is there',
        operationId: 'readiness',
        security: [],
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      const answers = await checks(fleet)
      const ready = answers.every(({ ok }) => ok)
      return reply.code(ready ? 200 : 503).send({ ready, checks: answers })
    },
  )

  app.get(
    '/metrics',
    {
      schema: {
        tags,
        summary: 'Metrics for Prometheus',
        operationId: 'metrics',
        response: { 200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } }, ...problems() },
      },
      serializerCompiler: () => String,
    },
    async (_request, reply) => {
      const text = await metrics.collect(runs, fleet)
      return reply.header('content-type', metrics.registry.contentType).send(text)
    },
  )
}
