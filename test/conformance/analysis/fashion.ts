import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { type Matrix, matrix } from '@layermill/analysis'
import { uniform } from '../golden.js'

/** Folder of Debian's `dataset-fashion-mnist`, which the test run installs. */
const folder = process.env['LAYERMILL_TEST_FASHION'] ?? '/usr/share/datasets/fashion-mnist'

/** Pictures of 28 x 28 grey values and their classes. */
export interface Pictures {
  readonly pixels: Uint8Array
  readonly labels: Uint8Array
}

/** Reads the training (60,000) or the test pictures (10,000). */
export function fashion(part: 'train' | 't10k'): Pictures {
  const read = (name: string): Uint8Array => gunzipSync(readFileSync(`${folder}/${part}-${name}.gz`))
  return { pixels: read('images-idx3-ubyte').subarray(16), labels: read('labels-idx1-ubyte').subarray(8) }
}

/** The indices 0 to n - 1 sorted by `u(name, i)`. */
export function order(name: string, n: number): number[] {
  const values = Float64Array.from({ length: n }, (_, i) => uniform(name, i))
  return Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b)
}

/** Some pictures as rows of numbers from 0 to 1. */
export function rowsOf({ pixels }: Pictures, places: readonly number[]): Matrix {
  const rows = matrix(places.length, 784)
  for (const [i, place] of places.entries()) for (let j = 0; j < 784; j++) rows.data[i * 784 + j] = pixels[place * 784 + j]! / 255
  return rows
}
