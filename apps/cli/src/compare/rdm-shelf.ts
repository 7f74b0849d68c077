import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type RankedRdm, rankedRdm } from '@layermill/analysis'

/** Bytes of a ranked RDM for each pair of rows: value, rank, average and count of a rank. */
const bytesAPair = 24

/**
 * RDMs that are compared with each other: ranked in memory as far as they fit, the others' values in files of a temporary folder, which
 * are ranked anew when they are read.
 */
export class RdmShelf {
  private readonly kept = new Map<number, RankedRdm>()
  private readonly sizes = new Map<number, number>()
  private folder: string | undefined
  private room: number

  /**
   * @param memoryBytes for the RDMs in memory; two are there in any case
   * @param ties as `rankedRdm` takes them
   */
  constructor(
    memoryBytes: number,
    private readonly ties: number,
  ) {
    this.room = memoryBytes
  }

  async put(place: number, size: number, values: Float64Array): Promise<void> {
    this.sizes.set(place, size)
    const bytes = values.length * bytesAPair
    if (bytes <= this.room) {
      this.room -= bytes
      this.kept.set(place, rankedRdm(size, values, this.ties))
      return
    }
    this.folder ??= await mkdtemp(path.join(tmpdir(), 'layermill-rdm-'))
    await using file = await open(this.file(place), 'w')
    await writeAllBytes(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }

  /** A ranked RDM; the last two that came from files are kept. */
  async get(place: number): Promise<RankedRdm> {
    const kept = this.kept.get(place) ?? this.recent.find(([at]) => at === place)?.[1]
    if (kept !== undefined) return kept
    const size = this.sizes.get(place)!
    const values = new Float64Array((size * (size - 1)) / 2)
    await using file = await open(this.file(place), 'r')
    await readAllBytes(file, new Uint8Array(values.buffer))
    const ranked = rankedRdm(size, values, this.ties)
    this.recent = [[place, ranked] as const, ...this.recent].slice(0, 2)
    return ranked
  }

  private recent: (readonly [number, RankedRdm])[] = []

  private file(place: number): string {
    return path.join(this.folder!, `${place}.f64`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kept.clear()
    this.recent = []
    if (this.folder !== undefined) await rm(this.folder, { recursive: true, force: true })
  }
}

async function writeAllBytes(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at, Math.min(1 << 26, bytes.length - at))).bytesWritten
}

async function readAllBytes(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, Math.min(1 << 26, bytes.length - at))
    if (bytesRead === 0) throw new Error('a temporary file is shorter than it was written')
    at += bytesRead
  }
}
