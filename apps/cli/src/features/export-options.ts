import type { FeatureDescription, FeatureSet } from '@layermill/orchestrator/features'

export interface ExportOptions {
  readonly set: FeatureSet
  readonly description: FeatureDescription
  /** A folder, file or URL, absolute. */
  readonly out: string
  /** Replace what is there. */
  readonly overwrite: boolean
  readonly signal: AbortSignal
  /** Told how many images are written. */
  readonly onProgress: (images: number) => void
}

/** What an export did. */
export interface Exported {
  /** Images that were there already, of an export that was stopped, or of the same one. */
  readonly before: number
  /** Where the table is, for people. */
  readonly place: string
}
