import { createHash } from 'node:crypto'
import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import * as z from 'zod'
import type { BlobStore } from './backend.js'
import { decodeTensors, encodeTensors, type ExchangeType } from './tensor-codec.js'

/** Redis copies values whole; above this, single commands stall others noticeably. */
const largestChunk = 16 * 1024 * 1024

export interface ExchangeOptions {
  /** Largest piece under one key, in bytes; at most 16 MiB, the default. */
  chunkBytes?: number
  /** How long what is put stays. Default one hour. */
  ttlMs?: number
}

export interface PutOptions {
  dtype?: ExchangeType
  ttlMs?: number
}

export interface Exchange {
  /** Puts tensors (float32, or rounded to bfloat16) or bytes; what was under the key is replaced. Returns the bytes put. */
  put(key: string, value: TensorMap | Uint8Array, options?: PutOptions): Promise<number>
  /** Tensors. Throws `EXCHANGE_MISSING` (also where it expired) or `EXCHANGE_CORRUPT`. */
  get(key: string): Promise<Map<string, Tensor>>
  /** Bytes, as put. Throws as `get`. */
  getBytes(key: string): Promise<Uint8Array>
  /** Frees keys; no error where there is nothing. */
  delete(...keys: string[]): Promise<void>
  /** Frees everything whose key begins so. Slower than `delete`: see `BlobStore`. */
  deleteBelow(prefix: string): Promise<void>
}

/** Index under the key itself: number of chunks, and size and hash of them together. Written last, so that readers never see half. */
const Index = z.strictObject({ id: z.string(), chunks: z.int().min(0), bytes: z.int().min(0), sha256: z.string() })

class ChunkedExchange implements Exchange {
  private readonly blobs: BlobStore
  private readonly chunkBytes: number
  private readonly ttlMs: number

  constructor(blobs: BlobStore, options: ExchangeOptions) {
    this.blobs = blobs
    this.chunkBytes = Math.min(options.chunkBytes ?? largestChunk, largestChunk)
    this.ttlMs = options.ttlMs ?? 3_600_000
  }

  async put(key: string, value: TensorMap | Uint8Array, options: PutOptions = {}): Promise<number> {
    const bytes = value instanceof Uint8Array ? Uint8Array.from(value) : encodeTensors(value, options.dtype)
    const ttlMs = options.ttlMs ?? this.ttlMs
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    // Chunks are named by content: a second writer of the same result writes the same, and a reader never mixes two versions.
    const index = { id: sha256.slice(0, 16), chunks: Math.ceil(bytes.length / this.chunkBytes), bytes: bytes.length, sha256 }
    for (let i = 0; i < index.chunks; i++) {
      const chunk = bytes.subarray(i * this.chunkBytes, (i + 1) * this.chunkBytes)
      // A little longer than the index, so that what the index promises is there.
      await this.blobs.put(chunkKey(key, index.id, i), chunk, ttlMs + 60_000)
    }
    await this.blobs.put(key, Buffer.from(JSON.stringify(index)), ttlMs)
    return bytes.length
  }

  async get(key: string): Promise<Map<string, Tensor>> {
    return decodeTensors(await this.getBytes(key))
  }

  async getBytes(key: string): Promise<Uint8Array> {
    const index = await this.index(key)
    if (index === undefined) throw new LayermillError('EXCHANGE_MISSING', `exchange ${key}: nothing there, or no longer`)
    const bytes = new Uint8Array(index.bytes)
    let offset = 0
    for (let i = 0; i < index.chunks; i++) {
      const chunk = await this.blobs.get(chunkKey(key, index.id, i))
      if (chunk === undefined) throw new LayermillError('EXCHANGE_MISSING', `exchange ${key}: piece ${i} of ${index.chunks} is gone`)
      if (offset + chunk.length > bytes.length) throw corrupt(key)
      bytes.set(chunk, offset)
      offset += chunk.length
    }
    if (offset !== bytes.length || createHash('sha256').update(bytes).digest('hex') !== index.sha256) throw corrupt(key)
    return bytes
  }

  async delete(...keys: string[]): Promise<void> {
    for (const key of keys) {
      const index = await this.index(key).catch(() => undefined)
      const chunks = Array.from({ length: index?.chunks ?? 0 }, (_, i) => chunkKey(key, index?.id ?? '', i))
      await this.blobs.delete([key, ...chunks])
    }
  }

  async deleteBelow(prefix: string): Promise<void> {
    await this.blobs.deleteBelow(prefix)
  }

  private async index(key: string): Promise<z.output<typeof Index> | undefined> {
    const bytes = await this.blobs.get(key)
    if (bytes === undefined) return undefined
    try {
      return Index.parse(JSON.parse(Buffer.from(bytes).toString()))
    } catch {
      throw corrupt(key)
    }
  }
}

const chunkKey = (key: string, id: string, i: number): string => `${key}/${id}/${i}`

function corrupt(key: string): LayermillError {
  return new LayermillError('EXCHANGE_CORRUPT', `exchange ${key}: the bytes are not those that were put`)
}

/** Exchange of tensors through a broker's blobs: parameters and gradients, in pieces, for a limited time. */
export function openExchange(blobs: BlobStore, options: ExchangeOptions = {}): Exchange {
  return new ChunkedExchange(blobs, options)
}
