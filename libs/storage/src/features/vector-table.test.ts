import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { expect, it } from 'vitest'
import type { IndexRow } from '../records/index-rows.js'
import type { FeatureBlock } from './stream.js'
import { encodeVectorTable, groupVectors, type VectorRows } from './vector-table.js'

const images: readonly IndexRow[] = Array.from({ length: 23 }, (_, i) => ({
  key: `${i}-ü.jpg`,
  part: 0,
  row: i,
  width: 640 + i,
  height: 480,
  sha256: String(i).padStart(64, '0'),
  ...(i % 3 === 0 ? { label: 'cat' } : {}),
}))
const vectorOf = (image: number): number[] => [image, -image / 2, 0.25]

/** The images in blocks of these sizes, the last size for all that is left. */
async function* blocks(sizes: readonly number[]): AsyncGenerator<FeatureBlock> {
  for (let start = 0, i = 0; start < images.length; i++) {
    const rows = images.slice(start, start + (sizes[i] ?? sizes.at(-1)!))
    yield { part: i, rows, length: 3, values: Float32Array.from(rows.flatMap(({ row }) => vectorOf(row))) }
    start += rows.length
  }
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

const groupBytes = 5 * 3 * 4

it('groups vectors the same way however they come, from any image on', async () => {
  const shape = (groups: VectorRows[]): unknown => groups.map(({ rows, values }) => [rows.map(({ row }) => row), [...values]])
  for (const skip of [0, 1, 5, 17, 22, 23]) {
    const wanted = images.slice(skip).map(({ row }) => row)
    const expected = Array.from({ length: Math.ceil(wanted.length / 5) }, (_, i) => wanted.slice(i * 5, i * 5 + 5)).map(rows => [
      rows,
      rows.flatMap(vectorOf),
    ])
    for (const sizes of [[23], [1], [4, 0, 9, 2], [5]])
      expect(shape(await all(groupVectors(blocks(sizes), skip, groupBytes))), `${skip} of ${String(sizes)}`).toEqual(expected)
  }
})

it('writes a table with a row group for each group, the same bytes however the images come', async () => {
  const table = async (sizes: readonly number[]): Promise<Buffer> =>
    Buffer.concat(await all(encodeVectorTable(groupVectors(blocks(sizes), 0, groupBytes), { of: 'test' })))
  const bytes = await table([7])
  expect(Buffer.compare(await table([1, 22]), bytes)).toBe(0)
  const file = Uint8Array.from(bytes).buffer
  const { row_groups: groups, key_value_metadata: metadata } = parquetMetadata(file)
  expect(groups.map(group => Number(group.num_rows))).toEqual([5, 5, 5, 5, 3])
  expect(metadata).toEqual([{ key: 'of', value: 'test' }])
  const rows = await parquetReadObjects({ file })
  expect(rows).toEqual(
    images.map(({ key, label = null, width, height, sha256, row }) => ({ key, label, width, height, sha256, vector: vectorOf(row) })),
  )
})
