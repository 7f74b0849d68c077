import type { Analysis, AnalysisBody } from '../api/analyses.js'
import type { AnalysisKind } from '../jobs/analysis-kinds.js'

/** Analyses of runs as jobs of a queue. Every method throws LayermillError `RUN_UNKNOWN` for an id that is none. */
export interface AnalysisService {
  /**
   * Queues an analysis, once: where one of its kind waits or runs already, that one is given.
   * @throws LayermillError `NOT_RECORDED` for a run that is not done, or has no features; `LAYER_MISSING`
   */
  start(run: string, body: AnalysisBody): Promise<Analysis>
  /**
   * Ends an analysis that waits or runs: one that waits is forgotten, one that runs fails with `ANALYSIS_CANCELLED`.
   * @throws LayermillError `NOT_RECORDED` where none does
   */
  cancel(run: string, kind: AnalysisKind): Promise<void>
  /** Analyses of a run that the queue knows. */
  list(run: string): Promise<Analysis[]>
}
