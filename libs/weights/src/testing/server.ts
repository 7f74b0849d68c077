/** For tests: a file server that behaves as badly as it is told to. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Behaviour {
  readonly body: Buffer
  /** Default `"1"`. */
  readonly etag?: string
  /** Sends this many bytes, then nothing more (until `cut`). */
  readonly hangAfter?: number
  readonly ignoreRange?: boolean
  readonly status?: number
  /** Without Content-Length. */
  readonly chunked?: boolean
}

export interface TestServer {
  readonly url: string
  /** Headers of each request, by path. */
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[]
  /** Sets the answers to the next requests of a path; the last is used again and again. */
  set(path: string, ...behaviours: Behaviour[]): void
  /** Breaks the connections that hang. */
  cut(): void
  close(): Promise<void>
}

function answer(response: ServerResponse, headers: IncomingHttpHeaders, behaviour: Behaviour, hanging: Set<ServerResponse>): void {
  const { body, etag = '"1"', status } = behaviour
  if (status !== undefined) {
    response.writeHead(status).end('no')
    return
  }
  const asked = /^bytes=(\d+)-$/.exec(headers.range ?? '')
  const unchanged = headers['if-range'] === undefined || headers['if-range'] === etag
  const start = asked !== null && unchanged && behaviour.ignoreRange !== true ? Number(asked[1]) : 0
  if (start > 0 && start >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
    return
  }
  const rest = body.subarray(start)
  response.writeHead(start > 0 ? 206 : 200, {
    etag,
    ...(behaviour.chunked === true ? {} : { 'content-length': rest.length }),
    ...(start > 0 ? { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` } : {}),
  })
  if (behaviour.hangAfter === undefined || behaviour.hangAfter >= rest.length) response.end(rest)
  else {
    response.write(rest.subarray(0, behaviour.hangAfter))
    hanging.add(response)
  }
}

export async function startServer(): Promise<TestServer> {
  const behaviours = new Map<string, Behaviour[]>()
  const requests: TestServer['requests'] = []
  const hanging = new Set<ServerResponse>()
  const server: Server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push({ path, headers: request.headers })
    const queue = behaviours.get(path)
    const behaviour = queue !== undefined && queue.length > 1 ? queue.shift() : queue?.[0]
    answer(response, request.headers, behaviour ?? { body: Buffer.alloc(0), status: 404 }, hanging)
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    set: (path, ...list) => void behaviours.set(path, list),
    cut: () => {
      for (const response of hanging) response.destroy()
      hanging.clear()
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
