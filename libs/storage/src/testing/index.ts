export { storeContract } from './store-contract.js'
export { createBucket } from './buckets.js'
