import type { Store } from '@layermill/storage'
import type { TrainingState } from '@layermill/contracts'
import type { MetricsLine } from '../train/metrics-line.js'
import { epochState } from './training-report.js'

/** More are not shown; the file has them all. */
const shownEpochs = 1000

/** The epochs of a fine-tuning run, as its store has them. */
export async function readEpochs(store: Store): Promise<TrainingState[]> {
  const bytes = await store.get('metrics.jsonl')
  if (bytes === undefined) return []
  const lines = new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter(line => line !== '')
    .slice(-shownEpochs)
  return lines.map(line => epochState(JSON.parse(line) as MetricsLine))
}
