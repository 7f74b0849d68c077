import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answer = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void

/** A server that answers each request as the next entry of a script says; the real behaviour of S3 is tested on a real one elsewhere. */
export class ScriptedServer {
  readonly requests: string[] = []
  readonly marks: string[] = []
  readonly headers: IncomingHttpHeaders[] = []
  script: Answer[] = []
  /** Answers by what is asked for, in place of the script. */
  answerTo: ((request: IncomingMessage) => Answer) | undefined
  private readonly server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      this.requests.push(`${request.method} ${request.url?.split('?')[0]}`)
      this.headers.push(request.headers)
      const mark = request.headers['x-amz-meta-layermill-write']
      if (typeof mark === 'string') this.marks.push(mark)
      const answer = this.answerTo?.(request) ?? this.script.shift()
      if (answer === undefined) response.writeHead(501).end('nothing more was expected')
      else answer(request, Buffer.concat(chunks), response)
    })
    request.on('error', () => undefined)
  })

  async start(): Promise<string> {
    this.server.on('connection', socket => socket.on('close', () => setImmediate(() => this.server.emit('hung-up'))))
    await new Promise<void>(resolve => {
      this.server.listen(0, '127.0.0.1', resolve)
    })
    return this.endpoint
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Resolves when the last client has hung up. */
  async allHungUp(): Promise<void> {
    while ((await this.connections()) > 0) await new Promise(resolve => this.server.once('hung-up', resolve))
  }

  private async connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
    })
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(resolve => {
      this.server.close(resolve)
    })
  }
}

/** An error as S3 words it; without a body where it answers a HEAD. */
export const fail =
  (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  (_request, _body, response) => {
    response
      .writeHead(status, { 'content-type': 'application/xml', ...headers })
      .end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
  }
/** An answer that all is well. */
export const ok =
  (headers: Record<string, string> = {}, body = ''): Answer =>
  (_request, _body, response) => {
    response.writeHead(200, { etag: '"e1"', ...headers }).end(body)
  }
