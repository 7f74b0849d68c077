export { Best } from './best.js'
export { type FeatureSet, openFeatureSet, type StoredLayer } from './feature-set.js'
export { cosineTo, distanceFrom, type Metric, metrics } from './metric.js'
export { type Neighbour, searchFeatures, type SearchOptions, type SearchResult, storedFeatures } from './search.js'
