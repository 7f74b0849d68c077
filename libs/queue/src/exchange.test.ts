import { describe, expect, it } from 'vitest'
import { fromBfloat16, type Tensor, toBfloat16 } from '@layermill/core'
import { openExchange } from './exchange.js'
import { MemoryBlobs } from './memory-blobs.js'
import { decodeTensors, encodeTensors } from './tensor-codec.js'

const bits = (value: number): string => new Uint32Array(Float32Array.of(value).buffer)[0]?.toString(16) ?? ''
const round = (value: number): number => fromBfloat16(toBfloat16(Float32Array.of(value)))[0] ?? Number.NaN

describe('bfloat16', () => {
  it.each([
    [1, 1],
    [-0, -0],
    [1.00390625, 1],
    [1.01171875, 1.015625],
    [1.0039064, 1.0078125],
    [3.4028235e38, Infinity],
    [-Infinity, -Infinity],
    [1e-45, 0],
    [3.140625, 3.140625],
    [Math.PI, 3.140625],
  ])('rounds %f to %f', (value, expected) => {
    expect(round(value)).toBe(expected)
  })

  it('keeps NaN, also one whose upper half is that of infinity', () => {
    expect(round(Number.NaN)).toBeNaN()
    const small = new Float32Array(Uint32Array.of(0x7f80_0001, 0xff80_0001).buffer)
    expect([...fromBfloat16(toBfloat16(small))]).toEqual([Number.NaN, Number.NaN])
  })

  it('is the nearest of both neighbours for many values', () => {
    let state = 1
    for (let i = 0; i < 20_000; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      const value = new Float32Array(Uint32Array.of(state & 0x7eff_ffff).buffer)[0] ?? 0
      const below = new Float32Array(Uint32Array.of(state & 0x7eff_0000).buffer)[0] ?? 0
      const above = new Float32Array(Uint32Array.of((state & 0x7eff_0000) + 0x1_0000).buffer)[0] ?? 0
      const rounded = round(value)
      expect(Math.abs(rounded - value), bits(value)).toBe(Math.min(value - below, above - value))
    }
  })

  it('changes nothing the second time', () => {
    const halves = Uint16Array.from({ length: 0x7f80 }, (_, i) => i)
    expect(toBfloat16(fromBfloat16(halves))).toEqual(halves)
  })
})

const tensors = (): Map<string, Tensor> =>
  new Map<string, Tensor>([
    ['res2/a/conv1/W', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, Infinity, Number.NaN, 1e-40) }],
    ['leer', { shape: [0, 4], data: new Float32Array(0) }],
    ['ü', { shape: [], data: Float32Array.of(0.1) }],
  ])

describe('the encoding of tensors', () => {
  it('gives float32 back bit for bit, in memory of its own', () => {
    const decoded = decodeTensors(encodeTensors(tensors()))
    expect(decoded).toEqual(tensors())
    expect([...decoded.keys()]).toEqual([...tensors().keys()])
  })

  it('reads bytes at any offset of a larger buffer', () => {
    const encoded = encodeTensors(tensors())
    const shifted = new Uint8Array(encoded.length + 3)
    shifted.set(encoded, 3)
    expect(decodeTensors(shifted.subarray(3))).toEqual(tensors())
  })

  it('halves with bfloat16', () => {
    const large = new Map([['W', { shape: [1000], data: Float32Array.from({ length: 1000 }, (_, i) => i / 3) }]])
    const encoded = encodeTensors(large, 'bfloat16')
    expect(encoded.length).toBeLessThan(2200)
    expect(decodeTensors(encoded).get('W')?.data).toEqual(fromBfloat16(toBfloat16(Float32Array.from({ length: 1000 }, (_, i) => i / 3))))
  })

  it('refuses every flipped bit and every cut', () => {
    const encoded = encodeTensors(tensors())
    for (let i = 0; i < encoded.length; i++) {
      const broken = Uint8Array.from(encoded)
      broken[i] = (broken[i] ?? 0) ^ 0x10
      expect(() => decodeTensors(broken), `byte ${i}`).toThrow(/^exchanged tensors: /)
      expect(() => decodeTensors(encoded.subarray(0, i)), `cut at ${i}`).toThrow(/^exchanged tensors: /)
    }
  })

  it("refuses data that is not its shape's", () => {
    expect(() => encodeTensors(new Map([['W', { shape: [3], data: new Float32Array(2) }]]))).toThrow(
      'W: 2 numbers, expected 3 for shape [3]',
    )
  })
})

describe('the exchange', () => {
  it('cuts into pieces of at most the size asked for', async () => {
    const sizes: number[] = []
    const blobs = new MemoryBlobs()
    const exchange = openExchange(
      {
        put: (key, bytes, ttl) => {
          sizes.push(bytes.length)
          return blobs.put(key, bytes, ttl)
        },
        get: key => blobs.get(key),
        delete: keys => blobs.delete(keys),
        deleteBelow: start => blobs.deleteBelow(start),
      },
      { chunkBytes: 1000 },
    )
    const bytes = Uint8Array.from({ length: 2500 }, (_, i) => i)
    expect(await exchange.put('k', bytes)).toBe(2500)
    expect(sizes.slice(0, 3)).toEqual([1000, 1000, 500])
    expect(await exchange.getBytes('k')).toEqual(bytes)
    await exchange.put('empty', new Uint8Array(0))
    expect(await exchange.getBytes('empty')).toEqual(new Uint8Array(0))
  })

  it('is not changed by what its giver does afterwards', async () => {
    const exchange = openExchange(new MemoryBlobs())
    const bytes = Uint8Array.of(1, 2, 3)
    await exchange.put('k', bytes)
    bytes[0] = 9
    const taken = await exchange.getBytes('k')
    expect(taken).toEqual(Uint8Array.of(1, 2, 3))
    taken[0] = 8
    expect(await exchange.getBytes('k')).toEqual(Uint8Array.of(1, 2, 3))
  })

  it('forgets in time', async () => {
    let now = 0
    const exchange = openExchange(new MemoryBlobs(() => now), { ttlMs: 100 })
    await exchange.put('k', Uint8Array.of(1))
    now = 99
    expect(await exchange.getBytes('k')).toEqual(Uint8Array.of(1))
    now = 100
    await expect(exchange.getBytes('k')).rejects.toMatchObject({ code: 'EXCHANGE_MISSING' })
  })

  it('tells of a lost and of a changed piece', async () => {
    const blobs = new MemoryBlobs()
    const keys: string[] = []
    const exchange = openExchange(
      {
        put: (key, bytes, ttl) => {
          keys.push(key)
          return blobs.put(key, bytes, ttl)
        },
        get: key => blobs.get(key),
        delete: given => blobs.delete(given),
        deleteBelow: start => blobs.deleteBelow(start),
      },
      { chunkBytes: 4 },
    )
    await exchange.put('k', Uint8Array.of(1, 2, 3, 4, 5, 6))
    await blobs.put(keys[1] ?? '', Uint8Array.of(5, 7), 1000)
    await expect(exchange.getBytes('k')).rejects.toMatchObject({ code: 'EXCHANGE_CORRUPT' })
    await blobs.delete([keys[1] ?? ''])
    await expect(exchange.getBytes('k')).rejects.toMatchObject({ code: 'EXCHANGE_MISSING' })
  })
})
