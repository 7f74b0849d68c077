import { describe, expect, it } from 'vitest'
import {
  bytesField,
  concatenate,
  floatField,
  intField,
  message,
  messageField,
  packedFloats,
  packedInts,
  stringField,
} from './protobuf-writer.js'

const hex = (value: Parameters<typeof concatenate>[0]): string => Buffer.from(concatenate(value)).toString('hex')

describe('the wire format', () => {
  it.each([
    ['0', intField(1, 0), '0800'],
    ['150', intField(1, 150), '089601'],
    ['2^32', intField(2, 2 ** 32), '108080808010'],
    ['-1 as 64 bits', intField(1, -1), '08ffffffffffffffffff01'],
    ['a field number over 15', intField(20, 7), 'a00107'],
    ['a float', floatField(2, 1.5), '150000c03f'],
    ['a string', stringField(2, 'testing'), '120774657374696e67'],
    ['text beyond ASCII', stringField(1, 'é'), '0a02c3a9'],
    ['packed integers', packedInts(4, [3, 270, 86942]), '2206038e029ea705'],
    ['packed floats', packedFloats(7, [1, -2]), '3a080000803f000000c0'],
    ['a nested message', messageField(3, message([intField(1, 150)])), '1a03089601'],
  ])('encodes %s', (_what, field, expected) => {
    expect(hex(field)).toBe(expected)
  })

  it('refuses numbers that are no integers', () => {
    expect(() => intField(1, 1.5)).toThrow(/1\.5/)
    expect(() => intField(1, 2 ** 60)).toThrow(RangeError)
  })

  it('keeps big fields as views, however deep they are nested', () => {
    const data = new Uint8Array(1000).fill(9)
    const nested = messageField(1, messageField(2, message([bytesField(3, data), intField(4, 1)])))
    expect(nested.chunks.filter(chunk => chunk === data)).toHaveLength(1)
    expect(nested.bytes).toBe(concatenate(nested).length)
  })
})
