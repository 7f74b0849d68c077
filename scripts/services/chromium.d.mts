export interface Chromium {
  /** Path of the browser's program. */
  readonly path: string
  stop(): Promise<void>
}

/** Finds Chromium, installing Debian's where there is none. */
export function findChromium(): Promise<Chromium>
