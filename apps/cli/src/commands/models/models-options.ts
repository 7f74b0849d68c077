/** Flags of `layermill models`. */
export interface ModelsOptions {
  /** `320x256`: width, then height. */
  size?: string
  json?: boolean
}
