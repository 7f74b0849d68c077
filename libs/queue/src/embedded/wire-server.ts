import {
  commandComplete,
  fatalError,
  lastStatus,
  type Message,
  notificationChannel,
  readyForQuery,
  simpleQuery,
  splitMessages,
  startupReply,
} from './wire.js'

/** Carries out messages up to and with their Sync or simple query in the one session there is. */
export type Execute = (messages: Uint8Array) => Promise<Uint8Array>
export type Send = (client: number, bytes: Uint8Array) => void

interface Client {
  readonly id: number
  started: boolean
  input: Buffer
  /** Messages of an extended query whose Sync has not come yet. */
  pending: Message[]
  readonly channels: Set<string>
}

interface Unit {
  client: Client
  messages: Message[]
}

const protocol3 = 196608
const sslRequest = 80877103

/**
 * Many PostgreSQL clients over one session. Each query runs alone and in order of arrival; a client that began a transaction keeps the
 * session until it commits, rolls back or goes away (which rolls back), while others wait. Notifications go to the clients that asked.
 *
 * Left out, as BullMQ does without: passwords, cancel requests, COPY, named prepared statements and SET outside transactions
 * (the session is shared, so that these would be too).
 */
export class WireServer {
  private readonly clients = new Map<number, Client>()
  private readonly execute: Execute
  private readonly send: Send
  private readonly version: string
  private waiting: Unit[] = []
  private owner: Client | undefined
  private busy = false

  constructor(execute: Execute, send: Send, serverVersion: string) {
    this.execute = execute
    this.send = send
    this.version = serverVersion
  }

  /** Bytes from a client; unknown ids are new clients. */
  receive(id: number, bytes: Uint8Array): void {
    const client = this.clients.get(id) ?? this.add(id)
    client.input = Buffer.concat([client.input, bytes])
    if (!client.started && !this.start(client)) return
    const { messages, rest } = splitMessages(client.input)
    client.input = rest
    for (const item of messages) this.accept(client, item)
  }

  /** A client that is gone: its transaction is rolled back. Idempotent. */
  disconnect(id: number): void {
    const client = this.clients.get(id)
    if (client === undefined) return
    this.clients.delete(id)
    this.waiting = this.waiting.filter(unit => unit.client !== client)
    if (this.owner === client) {
      const rollback = Buffer.concat([Buffer.from('Q\0\0\0\0'), Buffer.from('ROLLBACK\0')])
      rollback.writeInt32BE(rollback.length - 1, 1)
      this.waiting.unshift({ client, messages: splitMessages(rollback).messages })
      this.next()
    }
  }

  private add(id: number): Client {
    const client: Client = { id, started: false, input: Buffer.alloc(0), pending: [], channels: new Set() }
    this.clients.set(id, client)
    return client
  }

  /** Start-up messages have no letter: length, then a number. Returns whether the client may go on. */
  private start(client: Client): boolean {
    while (client.input.length >= 8 && client.input.length >= client.input.readInt32BE(0)) {
      const code = client.input.readInt32BE(4)
      client.input = client.input.subarray(client.input.readInt32BE(0))
      if (code === protocol3) {
        client.started = true
        this.send(client.id, startupReply(client.id, this.version))
        return true
      }
      if (code === sslRequest) this.send(client.id, Buffer.from('N'))
    }
    return false
  }

  private accept(client: Client, item: Message): void {
    if (item.type === 'X') {
      this.disconnect(client.id)
      return
    }
    client.pending.push(item)
    if (item.type !== 'Q' && item.type !== 'S') return
    this.waiting.push({ client, messages: client.pending })
    client.pending = []
    this.next()
  }

  private next(): void {
    if (this.busy) return
    const owner = this.owner
    const position = owner === undefined ? 0 : this.waiting.findIndex(unit => unit.client === owner)
    const [unit] = position < 0 ? [] : this.waiting.splice(position, 1)
    if (unit === undefined) return
    this.busy = true
    void this.run(unit).finally(() => {
      this.busy = false
      this.next()
    })
  }

  private async run(unit: Unit): Promise<void> {
    const { client } = unit
    const query = unit.messages.length === 1 && unit.messages[0] !== undefined ? simpleQuery(unit.messages[0]) : undefined
    if (query !== undefined && this.unlistens(client, query)) return
    try {
      const reply = Buffer.from(await this.execute(Buffer.concat(unit.messages.map(item => item.bytes))))
      const { messages } = splitMessages(reply)
      const status = lastStatus(messages)
      this.owner = status === 'I' ? undefined : client
      if (query !== undefined) this.listens(client, query)
      const own = messages.filter(item => item.type !== 'A')
      if (this.clients.has(client.id)) this.send(client.id, Buffer.concat(own.map(item => item.bytes)))
      for (const item of messages) if (item.type === 'A') this.notify(item)
      // Went away while its query ran and left a transaction open.
      if (status !== 'I' && !this.clients.has(client.id)) {
        this.clients.set(client.id, client)
        this.disconnect(client.id)
      }
    } catch (error) {
      this.owner = undefined
      this.send(client.id, fatalError(error instanceof Error ? error.message : String(error)))
    }
  }

  private notify(item: Message): void {
    const channel = notificationChannel(item.bytes)
    for (const client of this.clients.values()) if (client.channels.has(channel)) this.send(client.id, Uint8Array.from(item.bytes))
  }

  private listens(client: Client, query: string): void {
    const channel = /^LISTEN\s+"?([A-Za-z_][\w$]*)"?\s*;?\s*$/i.exec(query)?.[1]
    if (channel !== undefined) client.channels.add(channel)
  }

  /** UNLISTEN must not take the shared session's subscription from other clients, so that it ends here. */
  private unlistens(client: Client, query: string): boolean {
    const channel = /^UNLISTEN\s+(\*|"?[A-Za-z_][\w$]*"?)\s*;?\s*$/i.exec(query)?.[1]?.replaceAll('"', '')
    if (channel === undefined) return false
    if (channel === '*') client.channels.clear()
    else client.channels.delete(channel)
    this.send(client.id, Buffer.concat([commandComplete('UNLISTEN'), readyForQuery(this.owner === client ? 'T' : 'I')]))
    return true
  }
}
