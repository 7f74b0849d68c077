import { createHash } from 'node:crypto'
import type { GraphVariant } from '@layermill/models'
import { bytesOf, type Tensor, type TensorMap } from '@layermill/core'

/** Largest piece that is hashed without letting other work run. */
const pieceBytes = 16 * 1024 * 1024

/** A variant as text, independent of the order its fields were written in; `{}` for none. */
export function canonicalVariant(variant: GraphVariant): string {
  const pairs = Object.entries(variant).filter(([, value]) => value !== undefined)
  return JSON.stringify(Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

/** Computes an identity one tensor at a time; they must come in the order of their names. */
export class IdentityHash {
  private readonly hash = createHash('sha256')

  constructor(variant: GraphVariant) {
    this.hash.update(`layermill-weights-1\n${canonicalVariant(variant)}\n`)
  }

  async add(name: string, { shape, data }: Tensor): Promise<void> {
    this.hash.update(`${name}\n${shape.join('x')}\n`)
    const bytes = bytesOf(data)
    for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
      this.hash.update(bytes.subarray(offset, offset + pieceBytes))
      if (bytes.length > pieceBytes) await new Promise(resolve => setImmediate(resolve))
    }
  }

  digest(): string {
    return this.hash.digest('hex')
  }
}

/**
 * Identity of weights: SHA-256 over the variant, then each tensor in the order of its name: name, shape, and the little-endian
 * float32 data. The file format, its order and its name do not count.
 */
export async function weightsIdentity(tensors: TensorMap, variant: GraphVariant): Promise<string> {
  const hash = new IdentityHash(variant)
  for (const name of [...tensors.keys()].toSorted()) await hash.add(name, tensors.get(name)!)
  return hash.digest()
}
