import type { RunSpec } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import { checkWeightsReach, type LoadOptions } from '@layermill/weights'
import type { SpecCheck } from './guarded.js'

/** Runs whose weights are here or can be fetched, as far as that can be told in seconds. */
export class WeightsReach implements SpecCheck {
  /** @param options how this server fetches weights */
  constructor(private readonly options: LoadOptions) {}

  /** @throws LayermillError `WEIGHTS_NOT_FOUND`: to send the spec again at once would not help; `ADDRESS_REFUSED` */
  async checkSpec({ model, weights }: RunSpec): Promise<void> {
    try {
      await checkWeightsReach(model, weights, this.options)
    } catch (error) {
      if (errorCode(error) !== 'WEIGHTS_UNAVAILABLE') throw error
      const hint = error instanceof LayermillError ? error.hint : undefined
      throw new LayermillError('WEIGHTS_NOT_FOUND', errorMessage(error), { cause: error, hint })
    }
  }
}
