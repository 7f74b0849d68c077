/** Functions that carry out the runs of a queue. */
export { fleetEnvironment, startFleetRuns } from './environment.js'
