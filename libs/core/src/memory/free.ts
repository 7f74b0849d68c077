import { MessageChannel, type MessagePort } from 'node:worker_threads'

function openNowhere(): MessagePort {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  return port1
}

/**
 * A port that nobody listens to. Open from the beginning: until its other end has closed, which takes a turn of the event loop, messages
 * pile up.
 */
const nowhere = openNowhere()

/**
 * Frees the memory of arrays without waiting for the collector, which may take minutes where little else is allocated. They are empty from
 * then on: nothing may use them any more. Shared memory, and memory that a library has lent, is left to the collector.
 */
export function freeArrays(arrays: Iterable<ArrayBufferView>): void {
  const buffers = new Set<ArrayBuffer>()
  for (const { buffer } of arrays) if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffers.add(buffer)
  if (buffers.size === 0) return
  // A buffer that is handed over to nobody is dropped with its memory.
  nowhere.postMessage(undefined, [...buffers])
}
