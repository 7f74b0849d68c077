import type { ExtractSpec, PredictSpec, RunRecord } from '@layermill/contracts'
import { predictionSteps } from '../results/predictions.js'
import { type InferenceArguments, inferenceSteps } from '../run/inference-steps.js'

/** The steps of an extraction or a prediction, which writes its report at its end where the spec asks for one. */
export function reportingSteps(spec: ExtractSpec | PredictSpec, options: InferenceArguments): ReturnType<typeof inferenceSteps> {
  const { store, environment, signal } = options
  // Before the prediction's own end, which deletes its parts.
  const report = async (record: RunRecord): Promise<void> => {
    if (spec.report !== true) return
    // Its code reads features and pictures, which most runs do not need.
    const { writeRunReport } = await import('./write-run-report.js')
    await writeRunReport({ ...record, spec }, store, environment, signal)
  }
  return spec.kind === 'predict' ? predictionSteps(spec, options, report) : inferenceSteps(spec, options, report)
}
