import type { Transferable } from 'node:worker_threads'
import type { Tensor } from '@layermill/core'
import type { Reply } from './protocol.js'

/** The buffers of tensors that can be handed over: each once, and not shared memory, which both sides keep. */
export function buffersOf(tensors: Iterable<Pick<Tensor, 'data'>>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const { data } of tensors) if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer)
  return [...buffers]
}

/** Buffers that a reply hands over. */
export function transferablesOf(reply: Reply): Transferable[] {
  if (!reply.ok || reply.result === undefined || !('tensors' in reply.result)) return []
  return buffersOf(reply.result.tensors)
}
