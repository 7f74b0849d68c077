/** Reports of extractions and predictions. */
export { reportPlace } from './report-place.js'
export { reportingSteps } from './reporting-steps.js'
