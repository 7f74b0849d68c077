import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A receiver that answers as told and gathers what it gets. */
export class Receiver {
  readonly received: Received[] = []
  answer: (response: ServerResponse, count: number) => void = response => void response.writeHead(204).end()
  private wake: () => void = () => undefined
  private readonly server: Server = createServer((request, response) => {
    let body = ''
    request
      .setEncoding('utf8')
      .on('data', (chunk: string) => {
        body += chunk
      })
      .on('end', () => {
        this.received.push({ path: request.url ?? '', headers: request.headers, body })
        this.answer(response, this.received.length)
        this.wake()
      })
  })

  async start(): Promise<string> {
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async until(count: number): Promise<Received[]> {
    while (this.received.length < count)
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
    return this.received
  }

  /** Resolves with the first message that holds. */
  async untilSome(holds: (message: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.received.find(holds)
      if (found !== undefined) return found
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
    }
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }
}

/** Signature that a receiver computes from a message and the shared secret (`whsec_` and base64), by the rules of Standard Webhooks. */
export function expectedSignature({ headers, body }: Received, secret: string): string {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
  return `v1,${createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'))
    .update(signed)
    .digest('base64')}`
}
