/** Filled in by the build. */
declare const CATALOG_URL: string
declare const WORKER_URL: string
