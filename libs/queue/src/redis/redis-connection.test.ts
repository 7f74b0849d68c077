import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, expect, it } from 'vitest'
import { connectRedis } from './redis-connection.js'
import { parseRedisUrl } from './redis-url.js'

const servers: Server[] = []
const sockets: Socket[] = []
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
})

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
const list = (...texts: string[]): string => `*${texts.length}\r\n${texts.map(bulk).join('')}`

/** A server that speaks Redis's protocol and answers each command by a function. */
async function serve(answer: (words: readonly string[], socket: Socket) => string | Promise<string>): Promise<number> {
  const server = createServer(socket => {
    sockets.push(socket)
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', data => {
      text += data.toString('latin1')
      for (let command; (command = /^\*(\d+)\r\n((?:\$\d+\r\n[^\r]*\r\n)+?)(?=\*|$)/.exec(text)); text = text.slice(command[0].length)) {
        const words = command[2]!.split('\r\n').filter((_, i) => i % 2 === 1)
        void Promise.resolve(answer(words, socket)).then(reply => socket.writable && socket.write(reply))
      }
    })
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

it('listens no more for the failover that a connection was lost to once it asks sentinels for the next master', async () => {
  const clients: Socket[] = []
  const master = await serve(([name = ''], socket) => {
    if (!clients.includes(socket)) clients.push(socket)
    return name.toLowerCase() === 'ping' ? '+PONG\r\n' : name.toLowerCase() === 'info' ? bulk('role:master') : '+OK\r\n'
  })
  const listening: Socket[] = []
  let asked: () => void = () => undefined
  const gate = { passed: Promise.resolve() }
  const sentinel = await serve(async ([name = '', what = ''], socket) => {
    if (name.toLowerCase() === 'subscribe') {
      listening.push(socket)
      return `*3\r\n${bulk('subscribe')}${bulk(what)}:1\r\n`
    }
    if (what.toLowerCase() === 'sentinels') return '*0\r\n'
    if (what.toLowerCase() !== 'get-master-addr-by-name') return '+OK\r\n'
    asked()
    await gate.passed
    return list('127.0.0.1', String(master))
  })
  const redis = connectRedis(parseRedisUrl(`redis+sentinel://127.0.0.1:${sentinel}/mymaster`))
  redis.on('error', () => undefined)
  expect(await redis.ping()).toBe('PONG')
  await expect.poll(() => listening.length).toBe(1)

  // The master dies. News of another one would now cut the connection that is being made, for good.
  const [old] = listening
  const isLeft = once(old!, 'close')
  const isAsked = new Promise<void>(resolve => (asked = resolve))
  let release: () => void = () => undefined
  gate.passed = new Promise(resolve => (release = resolve))
  for (const client of clients) client.destroy()
  await isAsked
  await isLeft
  release()
  expect(await redis.ping()).toBe('PONG')
  redis.disconnect()
})
