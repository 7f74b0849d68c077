export { comparisonBlocks, type PairBlock, pairBlock } from './compare/blocks.js'
export { cca, type Cca, ccaSet, type CcaSet, procrustes, type Procrustes, procrustesSet, svcca } from './compare/cca.js'
export { type CkaOptions, comparisonBytes, type LinearCka, linearCka } from './compare/cka.js'
export { type GramState } from './compare/gram.js'
export { averageRanks, kendallTauA, meanOf, pearson, rank, type Ranking, spearman } from './compare/rank.js'
export { gaussianKernel, type GaussianKernel, medianSquaredDistance, type RbfCka, rbfCka } from './compare/rbf-cka.js'
export {
  computeRdm,
  dissimilarities,
  type Dissimilarity,
  dissimilarityTies,
  pairAt,
  pairCount,
  type Rdm,
  type RdmOptions,
  squareRdm,
} from './compare/rdm.js'
export { clusterTree, leavesOf, type Tree } from './compare/tree.js'
export { penaltyShares, type Predictivity, ridgeFolds, type RidgeOptions, ridgePredictivity } from './compare/ridge.js'
export {
  bootstrapIntervals,
  type Intervals,
  partialRsa,
  type PermutationTest,
  permutationTest,
  type RankedRdm,
  rankedRdm,
  type Rsa,
  rsa,
  type RsaMeasure,
  rsaMeasures,
} from './compare/rsa.js'
export { centred, columnDeviations, columnMeans, normalizeRows, subtractRow } from './matrix/columns.js'
export { type Eigen, symmetricEigen } from './matrix/eigen.js'
export {
  type Matrix,
  matrix,
  type MatrixProduct,
  type Rows,
  plainProduct,
  type ProductForm,
  productShape,
  takeRows,
  transpose,
} from './matrix/matrix.js'
export { dividedSource, extremeScale } from './matrix/scale.js'
export {
  fillRows,
  mappedSource,
  meanRows,
  readByFill,
  rowRange,
  rowBlocks,
  rowsABlock,
  type RowSource,
  sourceOf,
  takenRows,
} from './matrix/row-source.js'
export { leftSingularVectors, singularValues, type SingularVectors } from './matrix/svd.js'
export { fitPca, type Pca, type PcaOptions, type PcaProjector, pcaProjector, varianceFloor, zcaWhiten } from './reduce/pca.js'
export { type KeepBlock, projectionBytes, randomColumns, type RandomProjection, sparseProjection } from './reduce/projection.js'
export type { ColumnBlock } from './reduce/signed-sums.js'
export { auditComponentCount, type AuditComponents, fitComponents, onComponents, spreadOver, spreadRows } from './audit/components.js'
export { type ClassifierTest, classifierTest } from './audit/classifier-test.js'
export { type Drift, driftTest, type MmdOptions, mmdTest, type TwoSampleTest } from './audit/drift.js'
export { foldsOf, type LabelScores, labelScores, outOfFoldProbabilities, withNeighbours } from './audit/labels.js'
export { type CrossValidated, crossValidate, type CrossValidationOptions, foldInterval, studentQuantile } from './audit/cross-validate.js'
export { updatedNeighbours } from './audit/updated-neighbours.js'
export { type LeakRule, type NearLeak, nearLeaks } from './audit/leaks.js'
export { fitLogistic, logisticLoss, type LogisticModel, type LogisticOptions, probabilities } from './audit/logistic.js'
export {
  duplicateGroups,
  nearDuplicateRatio,
  nearestNeighbours,
  nearestRatios,
  type NeighbourOptions,
  type Neighbours,
  outlierNeighbour,
  outlierScores,
  referenceNeighbour,
} from './audit/neighbours.js'
export {
  indexedNeighbours,
  measuredRecall,
  type IndexedNeighbours,
  leastRecall,
  mostExactRows,
  type NeighbourIndex,
  type OpenNeighbourIndex,
  recallRows,
} from './audit/neighbour-index.js'
export {
  type EvidenceMap,
  gradCam,
  gradCamPlusPlus,
  gradientTimesInput,
  layerCam,
  type LayerEvidence,
  overLargest,
  resizeMap,
  saliency,
} from './explain/maps.js'
