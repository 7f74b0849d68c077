import { expect, it } from 'vitest'
import { printable, printableJson, printableName } from './printable.js'

it('writes escape sequences and marks of direction out, and leaves lines, tabs and other scripts', () => {
  expect(printable('a\u001b[31mred\u0007')).toBe(String.raw`a\u001b[31mred\u0007`)
  expect(printable('\u009b2J\u007f\r')).toBe(String.raw`\u009b2J\u007f\r`)
  expect(printable('gpj.\u202eexe \u2066x\u2069')).toBe(String.raw`gpj.\u202eexe \u2066x\u2069`)
  expect(printable('one\ntwo\tthree, Katze, 猫, עברית')).toBe('one\ntwo\tthree, Katze, 猫, עברית')
})

it('keeps a name in one line', () => {
  expect(printableName('a\nerror: b\tc')).toBe(String.raw`a\nerror: b\tc`)
})

it('gives JSON of the same value', () => {
  const value = { key: 'a\u009b31m\u202eb\u2028\n', list: [1, null, 'ü'] }
  const text = printableJson(value)
  expect(printable(text)).toBe(text)
  expect(JSON.parse(text)).toEqual(value)
})
