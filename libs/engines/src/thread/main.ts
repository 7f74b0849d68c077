/** Entry of the engine thread: answers requests one after the other until it is told to close. */
import { parentPort, workerData } from 'node:worker_threads'
import { toErrorData } from './errors.js'
import type { Reply, Request, RequestKind, Requests, ThreadData } from './protocol.js'
import { transferablesOf } from './transfer.js'

if (parentPort === null) throw new Error('this module is the entry of a worker thread')
const port = parentPort
const { engine, flags } = workerData as ThreadData

interface Host {
  handle(request: Request): Promise<Requests[RequestKind]['result']>
}

/** Only the runtime asked for is loaded, and only once it is needed: a thread starts at once and tells what went wrong as an answer. */
let starting: Promise<Host> | undefined
function startHost(): Promise<Host> {
  starting ??=
    engine === 'onnx'
      ? import('../onnx/host.js').then(({ OnnxHost }) => new OnnxHost(flags))
      : import('../tfjs/host.js').then(({ TfjsHost }) => new TfjsHost(flags))
  return starting
}

async function answer(request: Request): Promise<void> {
  let reply: Reply
  try {
    reply = { id: request.id, ok: true, result: await (await startHost()).handle(request) }
  } catch (error) {
    reply = { id: request.id, ok: false, error: toErrorData(error, engine === 'onnx' ? 'ONNX Runtime' : 'TensorFlow.js') }
  }
  port.postMessage(reply, transferablesOf(reply))
  if (request.kind === 'close') port.close()
}

let queue = Promise.resolve()
port.on('message', (request: Request) => {
  queue = queue.then(() => answer(request))
})
