export { checkSpec } from './check-spec.js'
export { checkReachable } from './check-reachable.js'
