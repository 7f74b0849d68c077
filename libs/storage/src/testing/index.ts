export { storeContract } from './store-contract.js'
export { createBucket } from './buckets.js'
export { MemoryStore } from './memory-store.js'
