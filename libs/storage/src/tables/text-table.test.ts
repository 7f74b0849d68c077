import { expect, it } from 'vitest'
import { decodeTable, encodeTable } from './text-table.js'

it('writes columns with empty cells, and reads them as texts', async () => {
  const bytes = encodeTable([
    { name: 'key', type: 'text', cells: ['a,"b".png', 'é\n.png', ''] },
    { name: 'score', type: 'number', cells: [0.1, undefined, -1e-300] },
    { name: 'group', type: 'whole', cells: [undefined, 7, 0] },
  ])
  expect(await decodeTable(bytes, 'x.parquet')).toEqual([
    ['key', 'score', 'group'],
    ['a,"b".png', '0.1', ''],
    ['é\n.png', '', '7'],
    ['', '-1e-300', '0'],
  ])
  expect(await decodeTable(encodeTable([{ name: 'key', type: 'text', cells: [] }]), 'x.parquet')).toEqual([['key']])
  await expect(decodeTable(bytes.subarray(0, 20), 'x.parquet')).rejects.toThrow('x.parquet: not a readable Parquet file')
})
