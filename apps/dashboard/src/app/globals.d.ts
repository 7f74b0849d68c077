/** Filled in by the build. */
declare const catalogUrl: string
declare const workerUrl: string
