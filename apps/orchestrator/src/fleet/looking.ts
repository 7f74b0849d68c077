import type { RunService } from '@layermill/contracts'
import { createProvider, type LoadFleetWeights } from '@layermill/inference'
import type { Broker } from '@layermill/queue'
import { StoreInspection } from '../inspect/store-inspection.js'
import { PictureTries } from '../inspect/try-pictures.js'
import type { ModelRegistry } from '../registry/registry.js'
import type { RunEnvironment } from '../run/environment.js'
import type { AllowedPlaces } from '../service/allowed-places.js'
import { openShelf, openShelfStore } from '../service/open-shelf.js'
import { ShelvedRuns } from '../service/shelved-runs.js'

export interface LookingOptions {
  readonly broker: Broker
  readonly runs: RunService
  readonly environment: RunEnvironment
  readonly places: AllowedPlaces
  readonly registry: ModelRegistry | undefined
  /** `--state`; default: a folder of LAYERMILL_HOME. */
  readonly state: string | undefined
  readonly load: LoadFleetWeights
  readonly note: (text: string) => void
  readonly warn: (text: string) => void
}

/** Parts of a server that look at runs: the list that outlives the queue, what runs have written, and pictures that are tried. */
export interface Looking {
  readonly runs: ShelvedRuns
  readonly inspection: StoreInspection
  readonly tries: PictureTries
  close(): Promise<void>
}

/** Opens what the page asks for besides the queue. */
export function openLooking({ broker, runs, environment, places, registry, state, load, note, warn }: LookingOptions): Looking {
  const shelf = openShelf(broker, state)
  const shelved = new ShelvedRuns(runs, shelf, {
    openStore: url => environment.openStore(url),
    checkPlace: place => places.checkPlace('place', place),
    checkSpec: spec => places.checkSpec(spec),
    note: warn,
  })
  const inspection = new StoreInspection(shelved, environment, async () => openShelfStore(broker, state))
  const tries = new PictureTries(shelved, environment, {
    registry,
    openProvider: () => createProvider({ engine: 'onnx', device: 'cpu', note, load }),
  })
  return {
    runs: shelved,
    inspection,
    tries,
    async close() {
      inspection.close()
      await tries.close().catch(() => undefined)
      await shelf.close().catch(() => undefined)
    },
  }
}
