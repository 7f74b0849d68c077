import type { FastifyRequest } from 'fastify'
import * as z from 'zod'
import type { App } from '../app.js'
import {
  type FleetService,
  FleetState,
  QueueJob,
  QueueJobPage,
  QueueJobParams,
  QueueJobQueryParams,
  QueueList,
  QueueParams,
  WorkerList,
} from '@layermill/contracts'
import { problems } from './problems.js'

const tags = ['fleet']

/** Logs an admin's change to a job, and the admin's name. */
function note(request: FastifyRequest<{ Params: { queue: string; id: string } }>, what: string): void {
  const { queue, id } = request.params
  request.log.info({ queue, job: id, caller: request.caller?.name }, what)
}

/** Single jobs of queues, for admins. */
function addQueueJobRoutes(app: App, fleet: FleetService): void {
  app.get(
    '/v1/queues/:queue/jobs',
    {
      schema: {
        tags,
        summary: "List a queue's jobs in one state",
        operationId: 'listQueueJobs',
        params: QueueParams,
        querystring: QueueJobQueryParams,
        response: { 200: QueueJobPage, ...problems(404) },
      },
    },
    async request => fleet.jobs(request.params.queue, request.query),
  )

  app.post(
    '/v1/queues/:queue/jobs/:id/retry',
    {
      schema: {
        tags,
        summary: 'Try a failed job again',
        operationId: 'retryQueueJob',
        params: QueueJobParams,
        response: { 200: QueueJob, ...problems(404, 409) },
        description:
          'With all its attempts anew. A run is resumed. The run of a part or a micro-batch goes on only when it is resumed itself; it then finds the part committed.',
      },
    },
    async request => {
      const job = await fleet.retryJob(request.params.queue, request.params.id)
      note(request, 'job tried again')
      return job
    },
  )

  app.delete(
    '/v1/queues/:queue/jobs/:id',
    {
      schema: {
        tags,
        summary: 'Take a job off its queue',
        operationId: 'removeQueueJob',
        params: QueueJobParams,
        response: { 204: z.null().describe('It is gone.'), ...problems(404, 409) },
        description:
          'Not one that a worker has. A run under way queues what it misses again; a run that has ended is forgotten by the queue, and its files stay.',
      },
    },
    async (request, reply) => {
      await fleet.removeJob(request.params.queue, request.params.id)
      note(request, 'job removed')
      return reply.code(204).send(null)
    },
  )
}

/** Workers and queues. */
export function addFleetRoutes(app: App, fleet: FleetService): void {
  app.get(
    '/v1/workers',
    {
      schema: {
        tags,
        summary: 'List workers and what they are doing',
        operationId: 'listWorkers',
        response: { 200: WorkerList, ...problems() },
      },
    },
    async () => ({ workers: await fleet.workers() }),
  )

  app.get(
    '/v1/queues',
    {
      schema: { tags, summary: 'Show how deep the queues are', operationId: 'listQueues', response: { 200: QueueList, ...problems() } },
    },
    async () => ({ queues: await fleet.queues() }),
  )

  app.get(
    '/v1/fleet',
    {
      schema: {
        tags,
        summary: 'Show whether workers may begin anything',
        operationId: 'getFleet',
        response: { 200: FleetState, ...problems() },
      },
    },
    async () => fleet.state(),
  )

  app.post(
    '/v1/fleet/pause',
    {
      schema: {
        tags,
        summary: 'Pause the workers',
        operationId: 'pauseFleet',
        response: { 200: FleetState, ...problems() },
        description: 'They finish what they have and begin nothing more until they are resumed. Runs stay as they are.',
      },
    },
    async request => {
      request.log.info({ caller: request.caller?.name }, 'fleet paused')
      return fleet.pause()
    },
  )

  app.post(
    '/v1/fleet/resume',
    {
      schema: { tags, summary: 'Let the workers go on', operationId: 'resumeFleet', response: { 200: FleetState, ...problems() } },
    },
    async request => {
      request.log.info({ caller: request.caller?.name }, 'fleet resumed')
      return fleet.resume()
    },
  )

  addQueueJobRoutes(app, fleet)
}
