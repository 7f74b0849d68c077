import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { blockRange, encodeSegment, headerBytes, parseBlock, parseHeader, segmentBytes, type SegmentRow } from './segment.js'

const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
const computation = hash('computation')

const rows = (count: number, rowBytes: number): SegmentRow[] =>
  Array.from({ length: count }, (_, i) => ({
    id: hash(`image ${i}`),
    width: i + 1,
    height: 2 * i + 1,
    data: new Uint8Array(rowBytes).fill(i),
  }))

function readAll(bytes: Uint8Array): SegmentRow[] {
  const header = parseHeader(bytes, computation, bytes.byteLength)!
  return Array.from({ length: header.rows }, (_, i) => {
    const block = Math.floor(i / header.rowsPerBlock)
    const { start, end } = blockRange(header, block)
    return parseBlock(bytes.subarray(start, end), header, block)!(i % header.rowsPerBlock)
  })
}

describe('a segment of the cache', () => {
  it.each([
    [1, 8],
    [100, 8192],
    [3, 300_000],
  ])('gives back %i rows of %i bytes', (count, rowBytes) => {
    const written = rows(count, rowBytes)
    const { bytes } = encodeSegment(computation, written)
    const header = parseHeader(bytes, computation, bytes.byteLength)!
    expect(segmentBytes(header)).toBe(bytes.byteLength)
    expect(Buffer.from(header.ids).equals(Buffer.concat(written.map(({ id }) => id)))).toBe(true)
    for (const [i, row] of readAll(bytes).entries()) {
      expect(Buffer.from(row.id).equals(written[i]!.id)).toBe(true)
      expect(Buffer.from(row.data).equals(Buffer.from(written[i]!.data))).toBe(true)
      expect([row.width, row.height]).toEqual([written[i]!.width, written[i]!.height])
    }
  })

  it('is named by its computation and images alone', () => {
    const { name } = encodeSegment(computation, rows(3, 8))
    expect(name).toMatch(/^[0-9a-f]{32}$/)
    expect(
      encodeSegment(
        computation,
        rows(3, 8).map(row => ({ ...row, data: new Uint8Array(8) })),
      ).name,
    ).toBe(name)
    expect(encodeSegment(computation, rows(4, 8)).name).not.toBe(name)
    expect(encodeSegment(hash('other'), rows(3, 8)).name).not.toBe(name)
  })

  it('is not taken where any of its bytes is another, or it is cut off, or of another computation', () => {
    const { bytes } = encodeSegment(computation, rows(3, 8))
    const header = parseHeader(bytes, computation, bytes.byteLength)!
    const { start, end } = blockRange(header, 0)
    expect(end).toBe(bytes.byteLength)
    for (let i = 0; i < bytes.byteLength; i++) {
      const damaged = Uint8Array.from(bytes)
      damaged[i]! ^= 1
      if (i < headerBytes(3)) expect(parseHeader(damaged, computation, bytes.byteLength), `byte ${i}`).toBeUndefined()
      else expect(parseBlock(damaged.subarray(start, end), header, 0), `byte ${i}`).toBeUndefined()
    }
    for (const length of [0, 8, 40, headerBytes(3) - 1])
      expect(parseHeader(bytes.subarray(0, length), computation, bytes.byteLength)).toBeUndefined()
    expect(parseHeader(bytes, computation, bytes.byteLength - 1)).toBeUndefined()
    expect(parseBlock(bytes.subarray(start, end - 1), header, 0)).toBeUndefined()
    expect(parseHeader(bytes, hash('other'), bytes.byteLength)).toBeUndefined()
  })
})
