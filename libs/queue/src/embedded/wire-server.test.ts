import { describe, expect, it } from 'vitest'
import { WireServer } from './wire-server.js'
import { commandComplete, type Message, readyForQuery, simpleQuery, splitMessages, type Status } from './wire.js'

function query(sql: string): Buffer {
  const bytes = Buffer.from(`Q\0\0\0\0${sql}\0`)
  bytes.writeInt32BE(bytes.length - 1, 1)
  return bytes
}

const startup = (): Buffer => {
  const bytes = Buffer.from('\0\0\0\0\0\0\0\0user\0me\0\0')
  bytes.writeInt32BE(bytes.length, 0)
  bytes.writeInt32BE(196608, 4)
  return bytes
}

function notification(channel: string): Buffer {
  const bytes = Buffer.from(`A\0\0\0\0\0\0\0\x01${channel}\0payload\0`)
  bytes.writeInt32BE(bytes.length - 1, 1)
  return bytes
}

/** A session that answers as PostgreSQL does and whose queries end when told to. */
function fixture() {
  const log: string[] = []
  const sent: string[] = []
  const open: (() => void)[] = []
  let status: Status = 'I'
  const execute = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const sql = splitMessages(Buffer.from(bytes))
      .messages.map((item: Message) => simpleQuery(item) ?? item.type)
      .join(' ')
    log.push(sql)
    await new Promise<void>(resolve => {
      open.push(resolve)
    })
    if (sql === 'BEGIN') status = 'T'
    if (sql === 'COMMIT' || sql === 'ROLLBACK') status = 'I'
    return Buffer.concat([commandComplete(sql), ...(sql.startsWith('NOTIFY') ? [notification('news')] : []), readyForQuery(status)])
  }
  const server = new WireServer(
    execute,
    (client, bytes) => {
      for (const { type } of splitMessages(Buffer.from(bytes)).messages) sent.push(`${client}${type}`)
    },
    '17.0',
  )
  const settle = async (): Promise<void> => {
    const turn = (): Promise<void> =>
      new Promise(resolve => {
        setImmediate(resolve)
      })
    await turn()
    while (open.length > 0) {
      open.shift()?.()
      await turn()
    }
  }
  for (const client of [1, 2, 3]) server.receive(client, startup())
  sent.length = 0
  return { server, log, sent, settle }
}

describe('one session for many clients', () => {
  it('keeps the session for a client from BEGIN to COMMIT', async () => {
    const { server, log, settle } = fixture()
    server.receive(1, query('BEGIN'))
    server.receive(2, query('SELECT 2'))
    server.receive(1, query('SELECT 1'))
    server.receive(3, query('SELECT 3'))
    server.receive(1, query('COMMIT'))
    await settle()
    expect(log).toEqual(['BEGIN', 'SELECT 1', 'COMMIT', 'SELECT 2', 'SELECT 3'])
  })

  it('rolls back for a client that goes away, also in the middle of a query', async () => {
    const { server, log, settle } = fixture()
    server.receive(1, query('BEGIN'))
    server.receive(2, query('SELECT 2'))
    server.disconnect(1)
    await settle()
    expect(log).toEqual(['BEGIN', 'ROLLBACK', 'SELECT 2'])
    server.receive(3, query('BEGIN'))
    await settle()
    server.receive(2, query('SELECT 4'))
    server.disconnect(3)
    server.disconnect(3)
    await settle()
    expect(log.slice(3)).toEqual(['BEGIN', 'ROLLBACK', 'SELECT 4'])
  })

  it('tells of notifications those who asked, and only those', async () => {
    const { server, sent, log, settle } = fixture()
    server.receive(1, query('-- a comment\nLISTEN news;'))
    server.receive(2, query('LISTEN "other"'))
    await settle()
    sent.length = 0
    server.receive(3, query('NOTIFY news'))
    await settle()
    expect(sent).toEqual(['3C', '3Z', '1A'])
    server.receive(1, query('UNLISTEN *'))
    server.receive(3, query('NOTIFY news'))
    await settle()
    expect(sent.slice(3)).toEqual(['1C', '1Z', '3C', '3Z'])
    expect(log).not.toContain('UNLISTEN *')
  })

  it('takes streams in any pieces', async () => {
    const { server, log, settle } = fixture()
    const bytes = Buffer.concat([startup(), query('SELECT 1'), query('SELECT 2')])
    for (const byte of bytes) server.receive(9, Uint8Array.of(byte))
    await settle()
    expect(log).toEqual(['SELECT 1', 'SELECT 2'])
  })

  it('tells a client of a session that fails and goes on', async () => {
    const sent: string[] = []
    let calls = 0
    const server = new WireServer(
      () => (calls++ === 0 ? Promise.reject(new Error('out of memory')) : Promise.resolve(readyForQuery('I'))),
      (_client, bytes) => sent.push(Buffer.from(bytes).toString('latin1')),
      '17.0',
    )
    server.receive(1, startup())
    server.receive(1, query('SELECT 1'))
    server.receive(2, startup())
    server.receive(2, query('SELECT 2'))
    await expect.poll(() => calls).toBe(2)
    expect(sent.join('')).toContain('Mout of memory')
  })
})
