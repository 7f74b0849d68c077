import { errorsPath, type FeatureFormat, featurePath, indexPath, manifestPath, predictionsPath, type RunRecord } from '@layermill/contracts'

/** Every file that a part can have but its commit record, whether it has it or not. */
export function partFiles(record: RunRecord, part: number): string[] {
  const results =
    record.spec.kind === 'predict'
      ? [predictionsPath(part)]
      : record.identity.layers.map(layer => featurePath(layer, part, record.identity.format as FeatureFormat))
  return [...new Set(results), indexPath(part), errorsPath(part), manifestPath(part)]
}
