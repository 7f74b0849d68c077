import { parentPort } from 'node:worker_threads'
import { type Basis, principalBasis, project } from './components.js'
import { type Layout, layOut } from './map-layout.js'

/** Message to the thread: a sample to find directions by, rows to be projected, the end of them. Each is answered. */
export type MapTask =
  | { readonly kind: 'sample'; readonly values: Float32Array; readonly rows: number; readonly columns: number; readonly count: number }
  | { readonly kind: 'rows'; readonly values: Float32Array; readonly columns: number }
  | { readonly kind: 'end' }

export type MapAnswer = { readonly kind: 'more' } | ({ readonly kind: 'layout' } & Layout)

let basis: Basis = { mean: new Float64Array(), directions: new Float64Array(), count: 0 }
const projected: Float32Array[] = []

function answer(task: MapTask): MapAnswer {
  if (task.kind === 'sample') basis = principalBasis(task.values, task.rows, task.columns, task.count)
  if (task.kind === 'rows') projected.push(project(basis, task.values, task.columns))
  if (task.kind !== 'end') return { kind: 'more' }
  const all = new Float32Array(projected.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const values of projected) {
    all.set(values, at)
    at += values.length
  }
  return { kind: 'layout', ...layOut(all, basis.count === 0 ? 0 : all.length / basis.count, basis.count) }
}

parentPort?.on('message', (task: MapTask) => parentPort!.postMessage(answer(task)))
