import { commitPath, type ComputedBy, errorsPath, indexPath, type PartResult, type RunRecord } from '@layermill/contracts'
import {
  type CommitRecord,
  committedFile,
  countsOf,
  encodeCommit,
  encodeErrors,
  encodeIndex,
  type ErrorRow,
  type IndexRow,
  type ManifestRow,
  readCommit,
  type Store,
} from '@layermill/storage'
import type { CopiedRow, FailedImage, FinishedRow } from './compute-rows.js'
import { CopiedParts } from './copied-parts.js'
import { overflowRule } from './value-range.js'

export interface OutputFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Destination of the results of one part's images, one row after the other. */
export interface ResultRows {
  /** An image's values by layer, pooled. */
  add(row: ManifestRow, values: ReadonlyMap<string, Float32Array>): void
  /** A result that exists in another part. */
  copy(row: ManifestRow, from: NonNullable<ManifestRow['from']>, parts: CopiedParts): Promise<void>
  /** The finished files. */
  files(): Promise<OutputFile[]>
  /** Gives the files' memory back, once they are written. */
  release?(): void
}

/** Collects one part: results, index and errors in memory, then written and committed. */
export class PartOutput {
  private readonly index: IndexRow[] = []
  private readonly errors: ErrorRow[] = []
  private readonly copied: CopiedParts
  /** Whether the index has a column for values that are no finite numbers. */
  private readonly counted: boolean

  constructor(
    private readonly store: Store,
    record: RunRecord,
    private readonly part: number,
    private readonly results: ResultRows,
    private readonly by: {
      readonly worker?: string | undefined
      readonly computedBy?: ComputedBy | undefined
      /** Asked when all images are computed. */
      readonly oneByOne?: () => Promise<string | undefined>
    } = {},
  ) {
    this.copied = new CopiedParts(store, record)
    this.counted = overflowRule(record.spec) === 'warn'
  }

  get result(): PartResult {
    const overflow = this.index.reduce((sum, row) => sum + (row.overflow ?? 0), 0)
    return { images: this.index.length, failed: this.errors.length, ...(overflow > 0 ? { overflow } : {}) }
  }

  async add(row: FinishedRow<ManifestRow> | FailedImage<ManifestRow> | CopiedRow<ManifestRow>): Promise<void> {
    if (row.kind === 'failed') {
      this.errors.push({ key: row.row.key, code: row.code, reason: row.reason })
      return
    }
    const manifestRow = row.row
    const { key, label } = manifestRow
    const place = { key, part: this.part, row: this.index.length, ...(label === undefined ? {} : { label }) }
    if (row.kind === 'finished') {
      const { width, height, sha256, overflow = 0 } = row
      this.results.add(manifestRow, row.values)
      this.index.push({ ...place, width, height, sha256, ...(this.counted ? { overflow } : {}) })
      return
    }
    const from = manifestRow.from!
    const { width, height, sha256, overflow = 0 } = await this.copied.index(from)
    await this.results.copy(manifestRow, from, this.copied)
    this.index.push({ ...place, width, height, sha256, ...(this.counted ? { overflow } : {}) })
  }

  /** Writes the part's files, then its commit record: from then on the part exists. */
  async commit(): Promise<PartResult> {
    const earlier = await readCommit(this.store, this.part)
    // Another worker was faster; what it wrote is what counts, also where an image has changed since.
    if (earlier !== undefined) return countsOf(earlier)
    const path = commitPath(this.part)
    const files = [...(await this.results.files()), { path: indexPath(this.part), bytes: encodeIndex(this.index) }]
    if (this.errors.length > 0) files.push({ path: errorsPath(this.part), bytes: new TextEncoder().encode(encodeErrors(this.errors)) })
    // An attempt that was stopped may have left errors that are none any more.
    else await this.store.delete(errorsPath(this.part))
    for (const file of files) await this.store.put(file.path, file.bytes)
    const { worker, computedBy } = this.by
    const oneByOne = await this.by.oneByOne?.()
    const found = {
      ...this.result,
      ...(computedBy === undefined ? {} : { computedBy }),
      ...(oneByOne === undefined ? {} : { oneByOne }),
    }
    const record: CommitRecord = {
      part: this.part,
      ...found,
      files: files.map(file => committedFile(file.path, file.bytes)),
      ...(worker === undefined ? {} : { worker }),
    }
    const committed = encodeCommit(record)
    const first = await this.store.put(path, committed, { ifAbsent: true, contentType: 'application/json' })
    // Two wrote at the same time. The files are the same, or else (another kind of CPU, or an image changed between their readings) those
    // of who writes last: all of them once more, lest some are the other's.
    if (!first && !(await this.isThere(record))) {
      for (const file of files) await this.store.put(file.path, file.bytes)
      await this.store.put(path, committed, { contentType: 'application/json' })
    }
    this.results.release?.()
    return found
  }

  /** Whether the record that is there names the same files, whoever wrote them. */
  private async isThere({ worker: _worker, ...record }: CommitRecord): Promise<boolean> {
    const { worker: _other, ...found } = (await readCommit(this.store, this.part)) ?? {}
    return 'files' in found && encodeCommit(found) === encodeCommit(record)
  }
}
