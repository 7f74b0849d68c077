import type { RunSpec } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import { checkWeightsReach, type LoadOptions } from '@layermill/weights'
import { checkReachable } from '../check/check-reachable.js'
import { checkSpec } from '../check/check-spec.js'
import type { RunEnvironment } from '../run/environment.js'
import type { SpecCheck } from './guarded.js'

/** Runs whose weights are here or can be fetched, as far as that can be told in seconds. */
export class WeightsReach implements SpecCheck {
  /** @param options how this server fetches weights */
  constructor(
    private readonly options: LoadOptions,
    private readonly environment: Pick<RunEnvironment, 'openSource'>,
  ) {}

  /**
   * Faults of the spec itself, and of its source, come before its weights.
   * @throws LayermillError `WEIGHTS_NOT_FOUND`: to send the spec again at once would not help; `ADDRESS_REFUSED`; as `checkSpec`
   */
  async checkSpec(spec: RunSpec): Promise<void> {
    await checkSpec(spec)
    try {
      await checkWeightsReach(spec.model, spec.weights, this.options)
    } catch (error) {
      if (errorCode(error) !== 'WEIGHTS_UNAVAILABLE') throw error
      await checkReachable(spec, this.environment)
      const hint = error instanceof LayermillError ? error.hint : undefined
      throw new LayermillError('WEIGHTS_NOT_FOUND', errorMessage(error), { cause: error, hint })
    }
  }
}
