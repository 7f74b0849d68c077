/** Filled in by the build. */
declare const catalogUrl: string
declare const WORKER_URL: string
