/** Functions that carry out the runs of a queue, and those that the embedded command shares with it. */
export { createEnvironment } from './create-environment.js'
export { fleetEnvironment, startFleetRuns } from './environment.js'
export { localGradients, openLabelled, trainingEnvironment } from './training.js'
