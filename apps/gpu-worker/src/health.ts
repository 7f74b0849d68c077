import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { errorMessage, LayermillError, withDeadline } from '@layermill/core'
import type { WorkerMetrics } from './metrics.js'

export interface HealthServerOptions {
  /** Name or address to listen on. The port answers anybody who reaches it, with health and metrics only. */
  host: string
  /** 0 for any free port. */
  port: number
  metrics: WorkerMetrics
  /** Whether the worker is alive; false (or an error, or no answer in time) makes `/healthz` answer 503. */
  alive: () => boolean | Promise<boolean>
  /** Whether it takes jobs; false while it starts and while it drains. */
  ready: () => boolean | Promise<boolean>
  /** Milliseconds for `alive` and `ready`. Default 3 s. */
  deadline?: number
}

export interface HealthServer {
  /** Address on which it listens. */
  readonly url: string
  close(): Promise<void>
}

type Answer = { status: number; type: string; body: string }

const json = (status: number, value: unknown): Answer => ({ status, type: 'application/json', body: JSON.stringify(value) })

async function probe(name: string, question: () => boolean | Promise<boolean>, deadline: number): Promise<Answer> {
  try {
    const ok = await withDeadline(question(), deadline, () => false)
    return json(ok ? 200 : 503, { [name]: ok })
  } catch {
    return json(503, { [name]: false })
  }
}

async function answer(request: IncomingMessage, options: HealthServerOptions): Promise<Answer> {
  const { deadline = 3000, metrics } = options
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'only GET' })
  switch (request.url?.split('?')[0]) {
    case '/healthz':
      return probe('alive', options.alive, deadline)
    case '/readyz':
      return probe('ready', options.ready, deadline)
    case '/metrics':
      return { status: 200, type: metrics.registry.contentType, body: await metrics.registry.metrics() }
    default:
      return json(404, { error: 'only /healthz, /readyz and /metrics' })
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, options: HealthServerOptions): Promise<void> {
  request.resume()
  const { status, type, body } = await answer(request, options)
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', error =>
      reject(
        new LayermillError('LISTEN_FAILED', `The health server cannot listen on ${host} port ${port}: ${errorMessage(error)}`, {
          cause: error,
        }),
      ),
    )
    server.listen(port, host, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address : { address: host, port }
      const name = bound.address.includes(':') ? `[${bound.address}]` : bound.address
      resolve(`http://${name}:${bound.port}`)
    })
  })
}

/**
 * A worker's health and metrics over HTTP: `/healthz`, `/readyz`, `/metrics`.
 * @throws LayermillError `LISTEN_FAILED` where the port is taken or not allowed.
 */
export async function createHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 8192 }, (request, response) => {
    respond(request, response, options).catch(() => response.destroy())
  })
  const url = await listen(server, options.host, options.port)
  return {
    url,
    close: () =>
      new Promise((resolve, reject) => {
        server.close(error => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}
