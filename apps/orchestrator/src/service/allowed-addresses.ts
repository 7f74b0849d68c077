import type { RunSpec } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError, receivedCode, refusePrivateHost } from '@layermill/core'
import type { SpecCheck } from './guarded.js'

export interface AllowedAddressesOptions {
  /** Weights may be fetched from any address. */
  readonly privateWeights: boolean
  /** Webhooks may be at any address. */
  readonly privateWebhooks: boolean
}

/** Every web address that a spec names and the server may not ask whatever it resolves to, by its field. */
function addressesOf(spec: RunSpec, { privateWeights, privateWebhooks }: AllowedAddressesOptions): [field: string, url: string][] {
  const files: [string, string][] = privateWeights
    ? []
    : [
        ['weights', spec.weights],
        ['model', spec.model],
      ]
  const weights = files.filter(([, place]) => /^https?:\/\//i.test(place))
  const webhooks = privateWebhooks ? [] : (spec.notify ?? []).map((url): [string, string] => ['notify', url])
  return [...weights, ...webhooks]
}

/**
 * Refuses specs whose weights or webhooks are at an address that can never be asked, before anything is queued. Names are resolved, and the
 * addresses they lead to checked, when they are connected to.
 */
export class AllowedAddresses implements SpecCheck {
  private readonly options: AllowedAddressesOptions

  constructor(options: AllowedAddressesOptions) {
    this.options = options
  }

  /** @throws LayermillError `ADDRESS_REFUSED` naming the field; `SPEC_INVALID` for what is no URL */
  async checkSpec(spec: RunSpec): Promise<void> {
    for (const [field, url] of addressesOf(spec, this.options)) {
      if (!URL.canParse(url)) throw new LayermillError('SPEC_INVALID', `${field}: got ${JSON.stringify(url.slice(0, 80))}, expected a URL`)
      try {
        refusePrivateHost(new URL(url))
      } catch (error) {
        throw new LayermillError(receivedCode(errorCode(error)), `${field}: ${errorMessage(error)}`, { cause: error })
      }
    }
  }
}
