import { worker, type WorkerOptions } from '@layermill/gpu-worker/main'
import type { Output } from '../../output/output.js'

/** `layermill worker`: computes parts until it is told to stop. */
export const workerCommand = async (output: Output, options: WorkerOptions): Promise<number> => worker(options, text => output.note(text))
