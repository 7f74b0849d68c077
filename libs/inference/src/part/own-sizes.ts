import { freemem } from 'node:os'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import type { Network, Size2 } from '@layermill/models'
import { workingBytesPerImage } from '../batch-size/working-memory.js'
import { gigabytes } from '../gigabytes.js'

/** Sizes that are remembered. */
const mostKnown = 1000
/** Share of the free memory that one image's values may take, as there are other things. */
const shareOfOne = 0.8
/** And that a batch of several may: two parts are in work, and their rows take some as well. */
const shareOfBatch = 0.25
/** Bytes of a batch's values on any device: a GPU does not tell what it has. */
const mostOfBatch = 2 ** 31

const freeBytes = (): number => process.availableMemory?.() ?? freemem()

/** Demands on a network of images that keep their own size: that they fit its layers, and memory. */
export class OwnSizes {
  private readonly known = new Map<string, number | LayermillError>()

  /**
   * @param layers that are computed
   * @param free bytes of memory; default: of this machine
   */
  constructor(
    private readonly network: Network,
    private readonly layers: readonly string[],
    private readonly free: () => number = freeBytes,
  ) {}

  /**
   * Bytes of values that are there at once while an image of this size is computed.
   * @throws LayermillError `IMAGE_SIZE` where a layer has nothing left of it, or takes one size only
   */
  workingBytes(size: Size2): number {
    const name = size.join('x')
    const found = this.known.get(name) ?? this.compute(size)
    if (this.known.size >= mostKnown) this.known.clear()
    this.known.set(name, found)
    if (found instanceof LayermillError) throw found
    return found
  }

  /** @throws LayermillError `IMAGE_SIZE`, or `IMAGE_TOO_LARGE` where the image does not fit into the memory that is free */
  check(size: Size2): void {
    const bytes = this.workingBytes(size)
    const free = this.free()
    if (bytes <= free * shareOfOne) return
    throw new LayermillError(
      'IMAGE_TOO_LARGE',
      `a picture of ${size[1]}x${size[0]} pixels takes about ${gigabytes(bytes)} to compute, and ${gigabytes(free)} are free`,
      {
        hint: '--size WIDTHxHEIGHT resizes pictures instead.',
      },
    )
  }

  /** Whether so many images of this size may be computed at once. */
  fits(size: Size2, images: number): boolean {
    return images * this.workingBytes(size) <= Math.min(mostOfBatch, this.free() * shareOfBatch)
  }

  private compute(size: Size2): number | LayermillError {
    try {
      return workingBytesPerImage(this.network, this.layers, size)
    } catch (error) {
      if (errorCode(error) !== 'INPUT_SIZE') throw error
      return new LayermillError('IMAGE_SIZE', `a picture of ${size[1]}x${size[0]} pixels does not fit the layer: ${errorMessage(error)}`, {
        cause: error,
      })
    }
  }
}
