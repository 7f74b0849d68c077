export * from './labels.js'
export * from './model-provider.js'
export * from './part/compute-rows.js'
export * from './predict.js'
