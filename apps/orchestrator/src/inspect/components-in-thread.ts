import { Worker } from 'node:worker_threads'
import type { Components } from './components.js'
import type { ComponentsTask } from './components-thread.js'

/** Principal components, computed in a thread of their own: the server answers others meanwhile. */
export function componentsInThread(task: ComponentsTask): Promise<Components> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./components-thread.js', import.meta.url), {
      workerData: task,
      name: 'layermill-components',
      execArgv: [],
    })
    thread.once('message', resolve)
    thread.once('error', reject)
    thread.once('exit', code => reject(new Error(`the thread of principal components ended with ${code}`)))
  })
}
