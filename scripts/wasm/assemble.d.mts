/** The bytes of a text module, in base64. */
export function assemble(path: string): Promise<string>

export interface TextModule {
  readonly path: string
  readonly source: string
  readonly constant: string
  /** The module of the sources that holds the bytes. */
  readonly target: string
}

/** Every text module of the project. */
export function textModules(): TextModule[]
