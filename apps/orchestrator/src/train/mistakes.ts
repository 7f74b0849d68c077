import type { Tensor } from '@layermill/core'
import type { ManifestRow } from '@layermill/storage'
import { argMax } from '@layermill/training'
import type { Mistake } from './metrics-line.js'

/** Logarithms of softmax of one row of scores, in double precision: finite also where the probability is too small for a number. */
function logProbabilities(logits: Float32Array, offset: number, classes: number): number[] {
  const row = Array.from(logits.subarray(offset, offset + classes))
  const top = row.reduce((most, value) => Math.max(most, value), -Infinity)
  const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0)
  return row.map(value => value - top - Math.log(total))
}

/** Images that are taken for another class than their own. */
export function mistakesOf(rows: readonly ManifestRow[], labels: readonly number[], logits: Tensor, classes: readonly string[]): Mistake[] {
  return rows.flatMap(({ key }, i) => {
    const label = labels[i]!
    const predicted = argMax(logits.data, i * classes.length, classes.length)
    if (predicted === label) return []
    const logs = logProbabilities(logits.data, i * classes.length, classes.length)
    return [{ key, label: classes[label]!, predicted: classes[predicted]!, probability: Math.exp(logs[predicted]!), loss: -logs[label]! }]
  })
}
