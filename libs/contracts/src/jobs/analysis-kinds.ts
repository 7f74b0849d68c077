/** Analyses of a run's features that a server carries out. */
export const analysisKinds = ['audit', 'compare'] as const
export type AnalysisKind = (typeof analysisKinds)[number]
