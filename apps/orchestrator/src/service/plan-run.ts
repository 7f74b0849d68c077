import type { FinetuneSpec, RunPlan, RunSpec } from '@layermill/contracts'
import type { RunEnvironment } from '../run/environment.js'
import { planReport } from '../run/plan-report.js'
import { describeTraining } from '../train/describe.js'
import { type OpenTrainingEnvironment, openTrainingEnvironment } from './training-environment.js'

/** Says what a run would do. An aborted signal ends the listing of its images with the signal's reason. */
export type PlanRun = (spec: RunSpec, signal?: AbortSignal) => Promise<RunPlan>

async function planTraining(spec: FinetuneSpec, open: OpenTrainingEnvironment | undefined): Promise<RunPlan> {
  await using opened = await openTrainingEnvironment(spec, open)
  const { images, classes, warnings, network, trainable, stepsPerEpoch, features } = await describeTraining(spec, opened.environment)
  return {
    kind: 'finetune',
    model: network.id,
    images,
    classes: [...classes],
    warnings: [...warnings],
    trainable: trainable.length,
    stepsPerEpoch,
    epochs: spec.epochs,
    features,
  }
}

/**
 * Plans runs with what an orchestrator has: it lists the images and loads the network, computes and writes nothing.
 * @param openTraining for fine-tuning; without it such specs are refused
 */
export function runPlanner(environment: RunEnvironment, openTraining?: OpenTrainingEnvironment): PlanRun {
  return async (spec, signal) => {
    if (spec.kind === 'finetune') return planTraining(spec, openTraining)
    const { layers, ...report } = await planReport(spec, environment, signal)
    return { kind: spec.kind, ...report, layers: [...layers] }
  }
}
