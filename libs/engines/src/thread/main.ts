/** Entry of the engine thread: answers requests one after the other until it is told to close. */
import { parentPort, workerData } from 'node:worker_threads'
import { OnnxHost } from '../onnx/host.js'
import type { Reply, Request, ThreadData } from './protocol.js'
import { toErrorData } from './errors.js'
import { transferablesOf } from './transfer.js'

if (parentPort === null) throw new Error('this module is the entry of a worker thread')
const port = parentPort
const host = new OnnxHost((workerData as ThreadData).flags)

async function answer(request: Request): Promise<void> {
  let reply: Reply
  try {
    reply = { id: request.id, ok: true, result: await host.handle(request) }
  } catch (error) {
    reply = { id: request.id, ok: false, error: toErrorData(error) }
  }
  port.postMessage(reply, transferablesOf(reply))
  if (request.kind === 'close') port.close()
}

let queue = Promise.resolve()
port.on('message', (request: Request) => {
  queue = queue.then(() => answer(request))
})
