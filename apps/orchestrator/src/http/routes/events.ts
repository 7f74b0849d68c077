import { Readable } from 'node:stream'
import { LayermillError } from '@layermill/core'
import type { FastifyReply } from 'fastify'
import * as z from 'zod'
import type { App } from '../app.js'
import { eventStream } from '../event-stream.js'
import type { Metrics } from '../metrics.js'
import { toProblem } from '../problem.js'
import { hasEnded, RunEvent, RunId, type RunService } from '@layermill/contracts'
import { problems } from './problems.js'

export interface EventRouteOptions {
  runs: RunService
  metrics: Metrics
  /** Milliseconds between heartbeats. */
  heartbeat: number
  /** Most listeners at once; more are told to come back later. */
  mostStreams: number
  /** Most listeners with one token, so that one does not keep all others out. */
  mostStreamsOfOne: number
}

const EventHeaders = z.object({
  'last-event-id': z.string().max(256).optional().describe('Id of the last event seen: later ones are told first.'),
})

function answerSchema() {
  return {
    200: {
      description: 'Events as they happen, comments in between. Ends with the run.',
      content: { 'text/event-stream': { schema: RunEvent } },
    },
    204: z.null().describe('The run has ended and there is nothing after Last-Event-ID.'),
    ...problems(404),
  }
}

/** `GET /v1/runs/:id/events`: progress of a run as server-sent events. */
export function addEventRoute(app: App, { runs, metrics, heartbeat, mostStreams, mostStreamsOfOne }: EventRouteOptions): void {
  const streams = new Map<AbortController, string>()
  const open = metrics.gauge('layermill_http_event_streams')
  app.addHook('preClose', () => {
    for (const stream of streams.keys()) stream.abort()
    return Promise.resolve()
  })

  app.get(
    '/v1/runs/:id/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['runs'],
        summary: 'Follow a run',
        operationId: 'followRun',
        produces: ['text/event-stream'],
        description:
          'Server-sent events (event: state, progress, failure, training). A client that reconnects with Last-Event-ID misses nothing that is still kept.',
        params: z.object({ id: RunId }),
        headers: EventHeaders,
        response: answerSchema(),
      },
      // The stream is text already.
      serializerCompiler: () => data => JSON.stringify(data),
    },
    async (request, reply) => {
      const { id } = request.params
      const run = await runs.get(id)
      if (streams.size >= mostStreams)
        throw new LayermillError('UNAVAILABLE', `${mostStreams} clients are listening already; try again later`)
      const caller = request.caller?.name ?? ''
      if ([...streams.values()].filter(name => name === caller).length >= mostStreamsOfOne) {
        throw new LayermillError(
          'UNAVAILABLE',
          `${mostStreamsOfOne} clients with the token ${caller} are listening already; try again later`,
        )
      }
      const stream = new AbortController()
      streams.set(stream, caller)
      open.set(streams.size)
      reply.raw.once('close', () => {
        stream.abort()
        streams.delete(stream)
        open.set(streams.size)
      })
      const source = runs.events(id, { after: request.headers['last-event-id'], signal: stream.signal })[Symbol.asyncIterator]()
      const first = hasEnded(run.state) ? source.next() : undefined
      // 204 tells a browser not to reconnect.
      if (first !== undefined && (await first).done === true) return reply.code(204).send(null)
      const problem = (error: unknown) => {
        request.log.error({ err: error }, 'events of a run broke off')
        return toProblem(error, request.id)
      }
      const text = eventStream(source, { signal: stream.signal, heartbeat, problem }, first)
      // The schema is of one event; what is sent is the stream of all.
      const plain: FastifyReply = reply
      return plain
        .header('content-type', 'text/event-stream')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(text, { objectMode: false }))
    },
  )
}
