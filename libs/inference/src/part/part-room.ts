import type { RunRecord } from '@layermill/contracts'
import { elementCount } from '@layermill/core'
import { layerShapes, type Network } from '@layermill/models'

/** Bytes that parts under way may take together. */
const mostBytes = 128 * 2 ** 20

const float = Float32Array.BYTES_PER_ELEMENT

/** Bytes of results that a part gathers, and of the activations of one batch of its images where their size is known. */
export function partBytes({ identity, layers, partSize, batchSize, spec }: RunRecord, network: Network): number {
  if (spec.kind !== 'extract') return 0
  const rowBytes = layers.reduce((sum, { shape }) => sum + elementCount(shape), 0) * (identity.dtype === 'float16' ? 2 : float)
  const { size } = identity.preparation
  if (size === 'keep') return partSize * rowBytes
  const shapes = layerShapes(network, identity.layers, [size.height, size.width])
  const activations = [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0) * float
  return partSize * rowBytes + (batchSize === 'auto' ? 1 : batchSize) * activations
}

interface Waiting {
  readonly bytes: number
  readonly admit: () => void
}

/** Bounds what parts under way hold: a part waits, in turn, until there is room for it or none is under way. */
export class PartRoom {
  private held = 0
  private waiting: Waiting[] = []

  constructor(private readonly most = mostBytes) {}

  /**
   * @returns to be called when the part has ended
   * @throws the signal's reason, where it is aborted before there is room
   */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        this.waiting = this.waiting.filter(other => other !== part)
        reject(signal.reason as Error)
        // Smaller ones may have waited behind it.
        this.admit()
      }
      const part: Waiting = {
        bytes,
        admit: () => {
          signal.removeEventListener('abort', stop)
          resolve()
        },
      }
      signal.addEventListener('abort', stop, { once: true })
      this.waiting.push(part)
      this.admit()
    })
    let inside = true
    return () => {
      if (!inside) return
      inside = false
      this.held -= bytes
      this.admit()
    }
  }

  private admit(): void {
    for (;;) {
      const [next] = this.waiting
      if (next === undefined || (this.held > 0 && this.held + next.bytes > this.most)) return
      this.waiting.shift()
      this.held += next.bytes
      next.admit()
    }
  }
}
