import { parentPort, workerData } from 'node:worker_threads'
import { principalComponents } from './components.js'

/** Input that `componentsInThread` gives a thread. */
export interface ComponentsTask {
  readonly values: Float32Array
  readonly rows: number
  readonly columns: number
  readonly count: number
}

const { values, rows, columns, count } = workerData as ComponentsTask
parentPort?.postMessage(principalComponents(values, rows, columns, count))
