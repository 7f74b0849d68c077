import { readFileSync } from 'node:fs'
import { type Matrix, matrix } from '@layermill/analysis'
import { fromFloat16, toFloat16 } from '@layermill/core'
import { uniform } from '../golden.js'

/** Feature sets of one rule: integers below 2^24 over a power of two, exact in float32 and in any order of summation. */

const componentCount = 8
const unit = 16_384

const ints = (name: string, count: number, levels: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => Math.floor(levels * uniform(name, i)) - Math.floor(levels / 2))

function rule(seed: string, set: string, rows: number, columns: number): Float64Array {
  const z = ints(`${seed}:z`, rows * componentCount, 256)
  const w = ints(`${seed}:${set}:w`, componentCount * columns, 256)
  const q = ints(`${seed}:${set}:e`, rows * columns, unit)
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < componentCount; k++)
      for (let j = 0; j < columns; j++) q[i * columns + j]! += z[i * componentCount + k]! * w[k * columns + j]!
  }
  return q
}

/** One set of the stored values' README. */
export function featureSet(seed: string, set: string, rows: number, columns: number): Matrix {
  if (set === 'noise')
    return matrix(
      rows,
      columns,
      ints(`${seed}:noise:e`, rows * columns, unit).map(value => value / unit),
    )
  const from = set === 'twin' || set === 'offset' ? 'base' : set
  const q = rule(seed, from, rows, columns)
  if (set === 'twin') {
    const added = ints(`${seed}:twin:t`, q.length, 3)
    for (let i = 0; i < q.length; i++) q[i]! += added[i]!
  }
  if (set === 'wide') for (let i = 0; i < q.length; i++) q[i] = Math.max(q[i]!, 0)
  const values = set === 'tiny' ? Float64Array.from(q, value => Math.fround(1 + value / 2 ** 24)) : q.map(value => value / unit)
  if (set === 'offset') for (let i = 0; i < values.length; i++) values[i]! += 1000
  if (set === 'half') {
    const bits = new Uint16Array(values.length)
    toFloat16(Float32Array.from(values), bits)
    values.set(fromFloat16(bits))
  }
  if (set === 'duplicate') values.copyWithin(17 * columns, 5 * columns, 6 * columns)
  if (set === 'constant') {
    for (let i = 0; i < rows; i++) {
      values[i * columns + 3] = 0.5
      values[i * columns + 7] = 0
    }
  }
  return matrix(rows, columns, values)
}

/** Stored values beside this file. */
export function stored<Values>(file: string): Values {
  return JSON.parse(readFileSync(new URL(`./${file}`, import.meta.url), 'utf8').replace(/: NaN/g, ': null')) as Values
}
