import { parentPort } from 'node:worker_threads'
import { applyUpdate, type ParameterUpdate } from './optimizer-rules.js'

/** A part of a parameter's update: arrays of the part alone, in shared memory; the gradient is in the slot of this number. */
export interface PartToUpdate {
  readonly slot: number
  readonly update: ParameterUpdate
}

// Answers with the number of the slot that is free again.
parentPort?.on('message', ({ slot, update }: PartToUpdate) => {
  applyUpdate(update, 0, update.p.length)
  parentPort?.postMessage(slot)
})
