import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export const proxyFaults = ['500', '503', 'slow', 'reset', 'lost answer', 'truncated'] as const
/** Faults that are asked for by name, not drawn. */
export const namedFaults = ['denied object', 'revoked key'] as const
export type ProxyFault = (typeof proxyFaults)[number] | (typeof namedFaults)[number]

export interface S3Proxy {
  readonly url: string
  /** How often each fault struck. */
  readonly struck: Readonly<Record<ProxyFault, number>>
  readonly requests: () => number
  close(): Promise<void>
}

const errorBody = (code: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>made by the test</Message></Error>`

function answerError(incoming: IncomingMessage, response: ServerResponse, status: number, code: string): void {
  incoming.resume()
  const body = errorBody(code)
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) })
  response.end(incoming.method === 'HEAD' ? undefined : body)
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Sends the request on as it came: its signature covers the host that the client named. */
async function forward(target: URL, incoming: IncomingMessage): Promise<{ answer: IncomingMessage; body: Buffer }> {
  const sent = await bodyOf(incoming)
  const outgoing = request({
    host: target.hostname,
    port: target.port,
    method: incoming.method,
    path: incoming.url,
    headers: incoming.headers,
  })
  outgoing.end(sent)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { answer, body: await bodyOf(answer) }
}

async function handle(target: URL, incoming: IncomingMessage, response: ServerResponse, fault: ProxyFault | undefined): Promise<void> {
  if (fault === '500') return answerError(incoming, response, 500, 'InternalError')
  if (fault === '503') return answerError(incoming, response, 503, 'SlowDown')
  if (fault === 'denied object') return answerError(incoming, response, 403, 'AccessDenied')
  if (fault === 'revoked key') return answerError(incoming, response, 403, 'InvalidAccessKeyId')
  if (fault === 'reset') return void incoming.socket.destroy()
  if (fault === 'slow') await pause(1500)
  const { answer, body } = await forward(target, incoming)
  // Done, but the client does not learn it.
  if (fault === 'lost answer') return void incoming.socket.destroy()
  response.writeHead(answer.statusCode ?? 502, answer.headers)
  if (fault === 'truncated' && body.length > 1) {
    response.write(body.subarray(0, body.length / 2))
    response.socket?.destroySoon()
    return
  }
  response.end(body)
}

/** An S3 server behind faults: `choose` says for each request which one strikes, if any. */
export async function startS3Proxy(endpoint: string, choose: (request: IncomingMessage) => ProxyFault | undefined): Promise<S3Proxy> {
  const target = new URL(endpoint)
  const struck: Record<ProxyFault, number> = {
    500: 0,
    503: 0,
    slow: 0,
    reset: 0,
    'lost answer': 0,
    truncated: 0,
    'denied object': 0,
    'revoked key': 0,
  }
  let requests = 0
  const server: Server = createServer((incoming, response) => {
    requests += 1
    const fault = choose(incoming)
    if (fault !== undefined) struck[fault] += 1
    // A client that went away does not want its answer.
    handle(target, incoming, response, fault).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    struck,
    requests: () => requests,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
