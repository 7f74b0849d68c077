/** Flags of `compare` as they are where nothing is said; a server compares with these. */
export const compareDefaults = { rdm: 'pearson', folds: '5', permutations: '0', bootstrap: '0', seed: '0' } as const
