/** What carries out runs of a queue. It is loaded where a command has one: engines, training and storage come with it. */
export { fleetWeights, fleetWeightsLoader, openFleetQueue } from '@layermill/inference'
export { fleetEnvironment, startFleetRuns } from '@layermill/orchestrator/fleet'
export { QueueRunClient } from '../client/queue-client.js'
