export { checkSpec } from './check-spec.js'
