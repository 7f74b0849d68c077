import { parentPort, workerData } from 'node:worker_threads'
import { type KernelsData, OptimizerKernels } from './optimizer-kernels.js'
import { applyUpdate, type ParameterUpdate } from './optimizer-rules.js'

/** Start data of an optimizer's thread: the kernels that the calling thread has as well. */
export interface OptimizerThreadData {
  readonly kernels: KernelsData | undefined
}

/** A part of a parameter's update: arrays of the part alone, in shared memory; the gradient is in the slot of this number. */
export interface PartToUpdate {
  readonly slot: number
  /** All arrays are in the kernels' memory. */
  readonly byKernels: boolean
  readonly update: ParameterUpdate
}

const { kernels: given } = workerData as OptimizerThreadData
const kernels = given === undefined ? undefined : new OptimizerKernels(given)

// Answers with the number of the slot that is free again.
parentPort?.on('message', ({ slot, byKernels, update }: PartToUpdate) => {
  if (byKernels && kernels !== undefined) kernels.update(update)
  else applyUpdate(update, 0, update.p.length)
  parentPort?.postMessage(slot)
})
