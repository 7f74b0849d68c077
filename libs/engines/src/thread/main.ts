/** Entry of the engine thread: answers requests one after the other until it is told to close. */
import { parentPort, workerData } from 'node:worker_threads'
import { LayermillError } from '@layermill/core'
import { toErrorData } from './errors.js'
import type { Reply, Request, RequestKind, Requests, ThreadData } from './protocol.js'
import { transferablesOf } from './transfer.js'

if (parentPort === null) throw new Error('this module is the entry of a worker thread')
const port = parentPort
const { engine, flags } = workerData as ThreadData

interface Host {
  handle(request: Request): Promise<Requests[RequestKind]['result']>
}

/** TensorFlow.js is an optional peer: people who never ask for it do not install 106 MB. */
async function startTfjs(): Promise<Host> {
  try {
    const { TfjsHost } = await import('../tfjs/host.js')
    return new TfjsHost(flags)
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new LayermillError('DEVICE_UNAVAILABLE', 'engine tfjs needs TensorFlow.js, which is not installed', {
      cause,
      hint: 'npm install @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-layers@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0',
    })
  }
}

/** Only the runtime asked for is loaded, and only once it is needed: a thread starts at once and tells what went wrong as an answer. */
let starting: Promise<Host> | undefined
function startHost(): Promise<Host> {
  starting ??= engine === 'onnx' ? import('../onnx/host.js').then(({ OnnxHost }) => new OnnxHost(flags)) : startTfjs()
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
