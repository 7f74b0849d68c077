import { type ExtractSpec, type PredictSpec, reportPath } from '@layermill/contracts'

/** Place of a run's report: in an extraction's folder, beside the file of a prediction; undefined where there is none. */
export function reportPlace(spec: ExtractSpec | PredictSpec): string | undefined {
  if (spec.report !== true || spec.out === undefined) return undefined
  return spec.kind === 'predict' ? spec.out.replace(/\.[^./\\]+$/, '.report.html') : `${spec.out.replace(/\/+$/, '')}/${reportPath}`
}
