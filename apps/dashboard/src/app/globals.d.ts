/** Filled in by the build. */
declare const catalogUrl: string
