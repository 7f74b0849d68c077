import type { Broker } from '@layermill/queue'
import type { RunEnvironment } from '@layermill/orchestrator/run'
import { QueueFleetService, QueueRunService } from '@layermill/orchestrator/service'
import type { RunClient } from './run-client.js'

/** The runs of a queue that this process is connected to. The broker is the caller's to close. */
export class QueueRunClient extends QueueRunService implements RunClient {
  readonly flag: string
  readonly fleet: RunClient['fleet']

  constructor(broker: Broker, environment: RunEnvironment) {
    super(broker, environment)
    this.fleet = new QueueFleetService(broker, { resumeRun: async id => this.resume(id) })
    this.flag = `--queue ${broker.describe()}`
  }
}
