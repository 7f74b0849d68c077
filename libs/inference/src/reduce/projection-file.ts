import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ColumnBlock } from '@layermill/analysis'
import { freeArrays } from '@layermill/core'

/** Bytes of random matrices that a run keeps in memory; VGG16's layers take 240 MB at 4,096 components. */
const mostInMemory = 4 * 2 ** 20

/** A block's arrays in the order in which each begins at a multiple of its own width. */
function widestFirst({ counts, entries }: ColumnBlock): (Uint8Array | Uint16Array | Uint32Array)[] {
  return [counts, entries].toSorted((a, b) => b.BYTES_PER_ELEMENT - a.BYTES_PER_ELEMENT)
}

/** Finds a block's arrays again in its bytes. */
function layoutOf(block: ColumnBlock): (whole: ArrayBuffer) => ColumnBlock {
  const { counts, entries } = block
  const [first] = widestFirst(block)
  const after = first!.byteLength
  const [countsAt, entriesAt] = first === counts ? [0, after] : [after, 0]
  const [countsLength, entriesLength] = [counts.length, entries.length]
  const Counts = counts instanceof Uint8Array ? Uint8Array : Uint32Array
  const Entries = entries instanceof Uint16Array ? Uint16Array : Uint32Array
  return whole => ({ counts: new Counts(whole, countsAt, countsLength), entries: new Entries(whole, entriesAt, entriesLength) })
}

/** A file of no name in the folder of temporary files, gone with the process; undefined where none can be made. */
function openNameless(): number | undefined {
  // Windows removes no file that is open.
  if (process.platform === 'win32') return undefined
  let folder: string | undefined
  try {
    folder = mkdtempSync(path.join(tmpdir(), 'layermill-projection-'))
    return openSync(path.join(folder, 'blocks'), 'wx+', 0o600)
  } catch {
    return undefined
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Keeps blocks of a run's random matrices: in memory as far as they are few, else in a temporary file, from whose cached pages an image
 * reads them once. Where no file can be written they stay in memory.
 */
export class ProjectionFile implements Disposable {
  private file: number | undefined
  private inMemory = 0
  private written = 0
  private buffer = new ArrayBuffer(0)

  constructor(private readonly most = mostInMemory) {}

  /** As `KeepBlock` of `sparseProjection`. */
  readonly keep = (block: ColumnBlock): (() => ColumnBlock) => {
    const { counts, entries } = block
    const bytes = counts.byteLength + entries.byteLength
    const place = this.inMemory + bytes > this.most ? this.write(block) : undefined
    if (place === undefined) {
      this.inMemory += bytes
      return () => block
    }
    const layout = layoutOf(block)
    freeArrays([counts, entries])
    return () => layout(this.read(place, bytes))
  };

  /** Gives the file up: nothing that was kept there can be read any more. */
  [Symbol.dispose](): void {
    if (this.file !== undefined) closeSync(this.file)
    this.file = undefined
  }

  private write(block: ColumnBlock): number | undefined {
    this.file ??= openNameless()
    if (this.file === undefined) return undefined
    const place = this.written
    try {
      for (const array of widestFirst(block)) {
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
        for (let at = 0; at < bytes.length;) at += writeSync(this.file, bytes, at, bytes.length - at, this.written + at)
        this.written += bytes.length
      }
    } catch {
      // A full disk: the block stays in memory, and the next one is tried again.
      this.written = place
      return undefined
    }
    return place
  }

  private read(place: number, bytes: number): ArrayBuffer {
    if (this.buffer.byteLength < bytes) {
      freeArrays([new Uint8Array(this.buffer)])
      this.buffer = new ArrayBuffer(bytes)
    }
    const target = new Uint8Array(this.buffer, 0, bytes)
    for (let at = 0; at < bytes;) {
      const count = readSync(this.file!, target, at, bytes - at, place + at)
      if (count === 0) throw new Error('a temporary file is shorter than it was written')
      at += count
    }
    return this.buffer
  }
}
