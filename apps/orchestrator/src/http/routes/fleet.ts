import type { App } from '../app.js'
import { QueueList, WorkerList } from '../schemas.js'
import type { FleetService } from '../services.js'
import { problems } from './problems.js'

/** Workers and queues. */
export function addFleetRoutes(app: App, fleet: FleetService): void {
  app.get('/v1/workers', {
    schema: { tags: ['fleet'], summary: 'List workers and what they are doing', operationId: 'listWorkers', response: { 200: WorkerList, ...problems() } },
  }, async () => ({ workers: await fleet.workers() }))

  app.get('/v1/queues', {
    schema: { tags: ['fleet'], summary: 'Show how deep the queues are', operationId: 'listQueues', response: { 200: QueueList, ...problems() } },
  }, async () => ({ queues: await fleet.queues() }))
}
