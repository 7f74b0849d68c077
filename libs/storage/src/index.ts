export type { CachedValues, ComputationCache, ComputationWriter } from './cache/computation-cache.js'
export { FeatureCache, type FeatureCacheOptions } from './cache/feature-cache.js'
export { changeObject, type ObjectChange, requireExactSwaps } from './change-object.js'
export { allocateNpy, type NpyBuffer } from './features/npy.js'
export { encodeParquetFeatures, type ParquetLayer } from './features/parquet.js'
export { createPartWriter, type FeatureFile, type PartOptions, type PartWriter } from './features/part-writer.js'
export { openRanges, readFeatureRows, withHead } from './features/read.js'
export { allocateSafetensors, type SafetensorsBuffer } from './features/safetensors.js'
export {
  type FeatureBlock,
  type FeaturePlace,
  streamFeatures,
  type StreamOptions,
  streamVectors,
  type VectorBlock,
} from './features/stream.js'
export type { FeatureDtype, FeatureLayer, FeatureRows, RangeSource, RowRange } from './features/types.js'
export { encodeVectorTable, groupVectors, type VectorRows } from './features/vector-table.js'
export { compareUtf8 } from './keys.js'
export { openStore } from './open.js'
export { type Ahead, mapOrdered } from './prefetch.js'
export { type CommitRecord, committedFile, type CommittedFile, countsOf, encodeCommit, parseCommit, sha256Hex } from './records/commit.js'
export { encodeIndex, type IndexRow, parseIndex } from './records/index-rows.js'
export { listParts, openIndex, type PartIndex, readCommit, readIndex, readManifest } from './records/read.js'
export { encodeErrors, encodeManifest, type ErrorRow, type ManifestRow, parseErrors, parseManifest } from './records/rows.js'
export type { SourceAccess } from './s3/client.js'
export { storeWaits } from './s3/slow-store.js'
export { classFolders } from './sources/folder.js'
export { LeftOut } from './sources/left-out.js'
export { listImages, type ListingOptions } from './sources/list-images.js'
export { accessOfEnvironment, openSource } from './sources/open-source.js'
export { bytesAhead, readWithin } from './sources/read-within.js'
export type { ImageSource, LabelRule, SourceItem } from './sources/source.js'
export type { PutOptions, Store, StoreEntry } from './store.js'
export { arrayRows, type ArrayHeader, decodeNumbers, fillByPieces, type NumberRows, openNpyRows } from './tables/npy-rows.js'
export { openParquetRows, type ParquetRows, type VectorColumn } from './tables/parquet-rows.js'
export { decodeTable, encodeTable, type TableColumn } from './tables/text-table.js'
