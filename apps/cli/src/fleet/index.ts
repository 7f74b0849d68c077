/** Modules that carry out runs of a queue. They are loaded where a command has one: engines, training and storage come with them. */
export { fleetWeights, fleetWeightsLoader, openFleetQueue } from '@layermill/inference'
export { fleetEnvironment, startFleetRuns } from '@layermill/orchestrator/fleet'
export { QueueRunClient } from '../client/queue-client.js'
