/** Functions that a command needs to carry out runs in its own process: without those of a queue, which take their time to load. */
export { createEnvironment } from './create-environment.js'
export { localGradients, openLabelled, trainingEnvironment } from './local-training.js'
