import type { Analysis, AnalysisBody } from '../api/analyses.js'

/** Analyses of runs as jobs of a queue. Every method throws LayermillError `RUN_UNKNOWN` for an id that is none. */
export interface AnalysisService {
  /**
   * Queues an analysis, once: where one of its kind waits or runs already, that one is given.
   * @throws LayermillError `NOT_RECORDED` for a run that is not done, or has no features; `LAYER_MISSING`
   */
  start(run: string, body: AnalysisBody): Promise<Analysis>
  /** Analyses of a run that the queue knows. */
  list(run: string): Promise<Analysis[]>
}
