export { StoreInspection } from './store-inspection.js'
