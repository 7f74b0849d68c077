import type { RunRecord } from '@layermill/contracts'
import { isFineTuned, type Network } from '@layermill/models'

/**
 * Whether a run computes the centre of its images only, as Chainer's `predict`; a library's own rule says itself what is cut, and a file's
 * preparation is all of it.
 */
export function cutsCentre(record: RunRecord, network: Network): boolean {
  const { resize } = record.identity.preparation.input ?? network.preparation
  return (
    resize.kind !== 'rule' &&
    record.spec.kind === 'predict' &&
    record.identity.preparation.size !== 'keep' &&
    !isFineTuned(network) &&
    network.graph === undefined
  )
}
