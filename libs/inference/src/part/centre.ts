import type { RunRecord } from '@layermill/contracts'
import { isFineTuned, type Network } from '@layermill/models'

/** Whether a run computes the centre of its images only. */
export function cutsCentre(record: RunRecord, network: Network): boolean {
  return record.spec.kind === 'predict' && record.identity.preparation.size !== 'keep' && !isFineTuned(network)
}
