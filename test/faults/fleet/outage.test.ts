import { afterAll, expect, it } from 'vitest'
import { Fleet, untilSaid } from '../../helpers/fleet.js'

let fleet: Fleet | undefined
afterAll(async () => fleet?.stop())

it('serve and worker end at SIGTERM while Redis is away, and have told of it once', async () => {
  const running = await Fleet.start()
  fleet = running
  const [{ process: server }, worker] = await Promise.all([running.serve(), running.worker(['--drain-deadline', '2'])])
  await running.redis.kill()
  // Both have seen it.
  await Promise.all([server, worker].map(process => untilSaid(process, /queue: .*; further errors are counted until it is back/)))
  for (const { child } of [server, worker]) child.kill('SIGTERM')
  const ended = await Promise.all([server.ended, worker.ended])
  expect(ended.map(({ code, signal }) => ({ code, signal }))).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ])
  for (const process of [server, worker]) expect(process.output().match(/further errors are counted/g)).toHaveLength(1)
})
