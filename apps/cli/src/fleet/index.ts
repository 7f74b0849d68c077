/** What carries out runs of a queue. It is loaded where a command has one: engines, training and storage come with it. */
export { QueueRunClient } from '../client/queue-client.js'
export { fleetEnvironment, startFleetRuns } from './orchestrator.js'
export { openFleetQueue } from './queue.js'
export { fleetWeightsLoader } from './weights-file.js'
export { fleetWeights } from './weights-store.js'
