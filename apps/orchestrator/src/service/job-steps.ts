import type { ExtractSpec, FinetuneSpec, PredictSpec, RunRecord, RunSpec } from '@layermill/contracts'
import { reportingSteps } from '../report/reporting-steps.js'
import type { RunEnvironment } from '../run/environment.js'
import type { RunArguments, RunSteps } from '../run/execute.js'
import { trainingSteps } from '../train/training-steps.js'
import { ProgressReport } from './progress-report.js'
import type { RunJobProgress } from './run-jobs.js'
import { type OpenTrainingEnvironment, openTrainingEnvironment } from './training-environment.js'
import { TrainingReport } from './training-report.js'

export interface JobStepsOptions extends Pick<RunArguments, 'store' | 'signal' | 'id' | 'fence' | 'keepsParts'> {
  readonly id: string
  readonly environment: RunEnvironment
  readonly openTraining: OpenTrainingEnvironment | undefined
  readonly backlog: number | undefined
  readonly reconcileInterval: number | undefined
  /** Keeps the progress with the job. For people: a report that is lost is not missed. */
  readonly send: (progress: RunJobProgress) => Promise<unknown>
  /** Called once the run is past what could block this process. */
  readonly passed: () => void
  readonly note: (text: string) => void
}

/** The steps of a job's run, and the report of them. */
export interface JobSteps extends AsyncDisposable {
  readonly steps: RunSteps
  /** Begins the report. */
  opened(record: RunRecord): void
  /** Tells what has not been told yet. */
  ended(): Promise<void>
}

function partSteps(spec: ExtractSpec | PredictSpec, { environment, send, passed, ...options }: JobStepsOptions): JobSteps {
  let report: ProgressReport | undefined
  return {
    steps: reportingSteps(spec, {
      ...options,
      environment,
      onProgress(state) {
        if (state.planned) passed()
        report?.update(state)
      },
    }),
    opened(record) {
      report = new ProgressReport(record, options.id, progress => void send(progress).catch(() => undefined))
    },
    ended: async () => undefined,
    [Symbol.asyncDispose]: async () => report?.stop(),
  }
}

async function trainedSteps(spec: FinetuneSpec, { openTraining, send, passed, note, ...options }: JobStepsOptions): Promise<JobSteps> {
  const training = await openTrainingEnvironment(spec, openTraining)
  let report: TrainingReport | undefined
  return {
    steps: trainingSteps(spec, {
      ...options,
      environment: training.environment,
      onProgress(progress) {
        if ('imagesLeft' in progress && progress.images > 0) passed()
        report?.update(progress)
      },
      onEpoch: line => report?.epoch(line),
      onWaiting: waiting => report?.waiting(waiting),
      onWarning: text => note(`warning: ${text}`),
    }),
    opened(record) {
      report = new TrainingReport({ record, id: options.id, send })
    },
    ended: async () => report?.end(),
    async [Symbol.asyncDispose]() {
      report?.stop()
      await training[Symbol.asyncDispose]()
    },
  }
}

/** The steps of the run that a job's spec means, with what its kind needs. @throws LayermillError as `openTrainingEnvironment` does */
export async function jobSteps(spec: RunSpec, options: JobStepsOptions): Promise<JobSteps> {
  return spec.kind === 'finetune' ? trainedSteps(spec, options) : partSteps(spec, options)
}
