import { createRequire } from 'node:module'

/** The version of layermill: all packages have the same one. */
export const version: string = (createRequire(import.meta.url)('../../package.json') as { version: string }).version
