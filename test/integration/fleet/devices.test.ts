import { afterAll, expect, it } from 'vitest'
import { queueNames } from '@layermill/contracts'
import { openBroker } from '@layermill/queue'
import { Fleet, untilSaid } from '../../helpers/fleet.js'

let fleet: Fleet | undefined
afterAll(async () => fleet?.stop())

it('worker --devices runs one process for each, starts one that dies again, and drains all at SIGTERM', async () => {
  const running = await Fleet.start()
  fleet = running
  const worker = running.run(['worker', '--queue', running.queue, '--device', 'cpu', '--devices', '0,3'])
  await Promise.all([untilSaid(worker, /\[device 0\] worker \S+: onnx on cpu/), untilSaid(worker, /\[device 3\] worker \S+: onnx on cpu/)])

  // A worker's id names its process.
  const pid = Number(await untilSaid(worker, /\[device 3\] worker \S+?-(\d+)\S*: onnx/))
  process.kill(pid, 'SIGKILL')
  await untilSaid(worker, /\[device 3\] the worker ended with 128; another starts in 1 s/)
  await untilSaid(worker, /another starts[^]*\[device 3\] worker \S+: onnx on cpu/)

  worker.child.kill('SIGTERM')
  const { code } = await worker.ended
  expect(code).toBe(0)
  expect(
    worker
      .output()
      .match(/\[device \d\] drained/g)
      ?.toSorted(),
  ).toEqual(['[device 0] drained', '[device 3] drained'])
  const broker = await openBroker(running.queue)
  expect((await broker.counts(queueNames.parts)).active).toBe(0)
  await broker.close()
})
