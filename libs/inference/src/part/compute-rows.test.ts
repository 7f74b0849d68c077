import type { Extractor } from '@layermill/engines'
import { LayermillError, type Tensor } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import { computeRows, type ComputedRow, type PreparedRow } from './compute-rows.js'

/** A network of one layer: the mean of each crop. An image whose first number is negative cannot be computed. */
function meanExtractor(batches: number[]): Extractor {
  return {
    layers: ['mean'],
    run: async ({ shape, data }: Tensor) => {
      batches.push(shape[0]!)
      const size = data.length / shape[0]!
      const means = Float32Array.from({ length: shape[0]! }, (_, i) => {
        const crop = data.subarray(i * size, (i + 1) * size)
        if (crop[0]! < 0) throw new LayermillError('ENGINE_FAILED', 'negative image')
        return crop.reduce((sum, value) => sum + value, 0) / size
      })
      return new Map([['mean', { shape: [shape[0]!, 1], data: means }]])
    },
    release: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

function image(row: string, values: readonly number[], side = 1): PreparedRow<string> {
  const tensor = Float32Array.from(values.flatMap(value => Array<number>(3 * side * side).fill(value)))
  return { kind: 'image', row, tensor, crops: values.length, inputSize: [side, side], width: 1, height: 1, sha256: row }
}

async function run(rows: PreparedRow<string>[], batchSize: number): Promise<{ rows: ComputedRow<string>[]; batches: number[] }> {
  const batches: number[] = []
  const stream = (async function* () {
    yield* rows
  })()
  const computed: ComputedRow<string>[] = []
  for await (const row of computeRows(stream, { extractor: meanExtractor(batches), batchSize })) computed.push(row)
  return { rows: computed, batches }
}

const summary = (row: ComputedRow<string>): string =>
  row.kind === 'computed' ? `${row.image.row}=${row.layers.get('mean')!.data[0]}` : `${row.kind} ${row.row}`

describe('computeRows', () => {
  it('keeps the order of computed, failed and copied rows, whatever the batch size', async () => {
    const failed: PreparedRow<string> = { kind: 'failed', row: 'bad', code: 'IMAGE_CORRUPT', reason: 'corrupt' }
    const input = [image('a', [1]), failed, image('b', [2]), { kind: 'copied', row: 'old' } as const, image('c', [3])]
    const expected = ['a=1', 'failed bad', 'b=2', 'copied old', 'c=3']
    for (const [batchSize, batches] of [
      [1, [1, 1, 1]],
      [2, [2, 1]],
      [8, [3]],
    ] as const) {
      const result = await run(input, batchSize)
      expect(result.rows.map(summary)).toEqual(expected)
      expect(result.batches).toEqual(batches)
    }
  })

  it('gives what is finished back at once, or behind the images before it, which wait for so many only', async () => {
    const finished = (row: string): PreparedRow<string> => ({ kind: 'finished', row, width: 1, height: 1, sha256: row, values: new Map() })
    const many = Array.from({ length: 200 }, (_, i) => finished(`f${i}`))
    expect(await run([finished('f'), ...many], 2)).toMatchObject({ batches: [], rows: { length: 201 } })
    const few = await run([image('a', [1]), ...many.slice(0, 100), image('b', [2])], 2)
    expect(few.batches).toEqual([2])
    expect(few.rows.map(summary)).toEqual(['a=1', ...many.slice(0, 100).map(row => `finished ${String(row.row)}`), 'b=2'])
    expect((await run([image('a', [1]), ...many, image('b', [2])], 2)).batches).toEqual([1, 1])
  })

  it('gives the memory of activations back behind their batch, where asked to', async () => {
    const rows: ComputedRow<string>[] = []
    const input = (async function* () {
      yield* [image('a', [1]), image('b', [2]), image('c', [3])]
    })()
    const kept: number[] = []
    for await (const row of computeRows(input, { extractor: meanExtractor([]), batchSize: 2, release: true })) {
      rows.push(row)
      kept.push(rows.filter(each => each.kind === 'computed' && each.layers.get('mean')!.data.length > 0).length)
    }
    expect(kept).toEqual([1, 2, 1])
  })

  it('starts a batch of its own for every size of image', async () => {
    const result = await run([image('a', [1]), image('b', [2], 2), image('c', [3], 2), image('d', [4])], 8)
    expect(result.batches).toEqual([1, 2, 1])
    expect(result.rows.map(summary)).toEqual(['a=1', 'b=2', 'c=3', 'd=4'])
  })

  it('averages over crops', async () => {
    const result = await run([image('a', [1, 2, 6]), image('b', [5, 5, 5])], 4)
    expect(result.batches).toEqual([3, 3])
    expect(result.rows.map(summary)).toEqual(['a=3', 'b=5'])
  })

  it('tries images alone when their batch fails, and records only the one to blame', async () => {
    const result = await run([image('a', [1]), image('bad', [-1]), image('c', [3])], 4)
    expect(result.rows.map(summary)).toEqual(['a=1', 'failed bad', 'c=3'])
    expect(result.batches).toEqual([3, 1, 1, 1])
  })

  it('fails where nothing works', async () => {
    await expect(run([image('x', [-1]), image('y', [-2])], 4)).rejects.toThrow('negative image')
  })

  it('is empty for nothing', async () => {
    expect(await run([], 4)).toEqual({ rows: [], batches: [] })
  })
})
