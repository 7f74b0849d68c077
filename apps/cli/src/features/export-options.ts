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

/** Result of an export. */
export interface Exported {
  /** Images that were there already, of an export that was stopped, or of the same one. */
  readonly before: number
  /** Place of the table, for people. */
  readonly place: string
}
