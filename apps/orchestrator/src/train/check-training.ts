import type { FinetuneSpec } from '@layermill/contracts'
import { getNetwork, preparedAs } from '@layermill/models'
import { someOutputs } from './mixed.js'
import { movingStatistics, parameterScales, trainedNetwork } from './plan.js'

/**
 * Refuses cut, head, input size and learning rates that the named network does not allow, before weights are loaded and images listed.
 * @throws LayermillError `LAYER_UNKNOWN`, `INPUT_SIZE`, `HEAD_INVALID`, `PREPARATION_UNKNOWN`, `SCALE_INVALID`; `SPEC_INVALID` where batch
 *   statistics are to move and there are none
 */
export function checkTraining(spec: FinetuneSpec): void {
  // The number of classes, known when the images are listed, decides nothing of this.
  const classes = spec.targets === undefined ? ['a', 'b'] : someOutputs(spec.targets)
  const network = trainedNetwork(spec, preparedAs(getNetwork(spec.model), spec.prepare), classes)
  movingStatistics(spec, network, parameterScales(spec, network))
}
