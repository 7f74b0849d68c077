import { describeRun, hasEnded, type RunDetail, type RunRecord, type TrainingState } from '@layermill/contracts'
import type { ErrorRow, Store } from '@layermill/storage'
import { runNotes } from '../registry/run-notes.js'
import { readFailures } from '../run/failures.js'
import { readRunRecord } from '../run/record-store.js'
import { readEpochs } from './read-epochs.js'

/** Files of a run's store that tell of the run. */
export interface StoredRun {
  readonly record?: RunRecord | undefined
  readonly epochs?: TrainingState[] | undefined
  readonly failures?: ErrorRow[] | undefined
}

/** Reads what a run's store tells of it. @throws LayermillError `RUN_RECORD_INVALID`; as the store does */
export async function readStored(store: Store): Promise<StoredRun> {
  const record = await readRunRecord(store)
  const ended = record !== undefined && hasEnded(record.state) && record.counts.failed > 0
  return {
    record,
    epochs: record?.spec.kind === 'finetune' ? await readEpochs(store) : undefined,
    failures: ended ? await readFailures(store).catch(() => undefined) : undefined,
  }
}

/** A run by what its store tells, and what registries say to it. */
export async function storedDetail(
  { record, epochs, failures }: StoredRun & { readonly record: RunRecord },
  openStore: (url: string) => Promise<Store>,
): Promise<RunDetail> {
  const accuracy = bestAccuracy(epochs ?? [])
  return {
    ...describeRun(record),
    failures,
    epochs,
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(await runNotes(record, openStore)),
  }
}

/** Held-out accuracy of the best epoch, which is the last that was the best so far. */
export function bestAccuracy(epochs: readonly TrainingState[]): number | undefined {
  return epochs.findLast(({ metrics }) => metrics['best'] === 1)?.metrics['validationAccuracy']
}
