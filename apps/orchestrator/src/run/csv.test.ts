import { Random } from '@layermill/core'
import { expect, it } from 'vitest'
import { csvRow, parseCsv } from './csv.js'

it('quotes what needs it and defuses formulas', () => {
  expect(csvRow(['a,b', 'say "hi"', 3, 0.5])).toBe('"a,b","say ""hi""",3,0.5\r\n')
  expect(csvRow(['=1+1', '@x', 'plain'])).toBe("'=1+1,'@x,plain\r\n")
  expect(csvRow([-1])).toBe('-1\r\n')
})

it('defuses what begins a cell where the separator is another', () => {
  expect(csvRow([';=1+1', 'cat;-1', 'a|@b', '\uFF1D1'])).toBe(`";'=1+1","cat;'-1","a|'@b",'\uFF1D1\r\n`)
  expect(csvRow(['\t=1', 'a; +1', 'x-1; y'])).toBe(`"'\t'=1","a; '+1","x-1; y"\r\n`)
})

it('reads back what it wrote', () => {
  const rows = [
    ['key', 'rank'],
    ['a,b "c"', '1'],
    ['=1+1', '2'],
    ['two\nlines', ''],
  ]
  expect(parseCsv(rows.map(csvRow).join(''))).toEqual(rows)
  expect(parseCsv('')).toEqual([])
  expect(parseCsv('x,y')).toEqual([['x', 'y']])
})

it('reads back any text, also one that has apostrophes before a formula', () => {
  const seed = 'csv'
  const random = new Random(seed)
  const signs = ["'", '=', '-', '@', ';', '|', ' ', '\t', '\r', '\n', '"', ',', 'a', '\uFF1D']
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: 1 + (round % 9) }, () => signs[Math.floor(random.between(0, signs.length))]!).join('')
    expect(parseCsv(csvRow([text, 'x'])), `seed ${seed}, ${JSON.stringify(text)}`).toEqual([[text, 'x']])
  }
})
