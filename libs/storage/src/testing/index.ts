export { storeContract } from './store-contract.js'
export { createBucket, putObject } from './buckets.js'
export { MemoryStore } from './memory-store.js'
export { listedSource } from './listed-source.js'
