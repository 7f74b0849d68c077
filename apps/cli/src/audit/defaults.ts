/** Flags of `audit` as they are where nothing is said; a server audits with these. */
export const auditDefaults = { labelScore: 'self-confidence', neighbours: 'auto', permutations: '200', seed: '0' } as const
