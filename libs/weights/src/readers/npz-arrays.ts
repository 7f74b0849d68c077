import type { openNpzArrays as open } from './npz.js'

/** See `openNpzArrays` of npz.ts: the reader of zip files is loaded with the first such file. */
export const openNpzArrays: typeof open = async file => (await import('./npz.js')).openNpzArrays(file)
