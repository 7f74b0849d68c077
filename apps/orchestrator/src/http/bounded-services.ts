import type {
  AnalysisService,
  FleetService,
  InspectionService,
  ModelService,
  RunPlan,
  RunService,
  RunShelf,
  RunSpec,
  ScheduleService,
  TryService,
} from '@layermill/contracts'
import { answerWithin } from './deadline.js'

/** Images are listed and a network is loaded for a plan; what takes longer than the deadline is ended, not only left alone. */
async function boundPlan(runs: RunService, spec: RunSpec, deadline: number): Promise<RunPlan> {
  const stop = new AbortController()
  try {
    return await answerWithin(runs.plan(spec, stop.signal), deadline, 'the source')
  } finally {
    stop.abort()
  }
}

/** Samples of features and plans are read and computed with; that takes so many times longer than other answers. */
const sampleFactor = 8

/**
 * Runs that answer within the deadline (in milliseconds), or `UNAVAILABLE`: a queue that is away makes its clients wait until it is back.
 */
export function boundRuns(runs: RunService, deadline: number): RunService {
  const bound = <T>(answer: Promise<T>): Promise<T> => answerWithin(answer, deadline, 'the queue')
  return {
    submit: spec => bound(runs.submit(spec)),
    plan: spec => boundPlan(runs, spec, deadline * sampleFactor),
    list: query => bound(runs.list(query)),
    get: id => bound(runs.get(id)),
    cancel: id => bound(runs.cancel(id)),
    pause: id => bound(runs.pause(id)),
    resume: id => bound(runs.resume(id)),
    // Events take as long as the run.
    events: (id, options) => runs.events(id, options),
    countByState: () => bound(runs.countByState()),
  }
}

/** A shelf of runs that answers within the deadline (in milliseconds), or `UNAVAILABLE`. */
export function boundShelf(shelf: RunShelf, deadline: number): RunShelf {
  return {
    describe: (id, words) => answerWithin(shelf.describe(id, words), deadline, 'the store'),
    open: place => answerWithin(shelf.open(place), deadline, 'the store'),
  }
}

/** A fleet that answers within the deadline (in milliseconds), or `UNAVAILABLE`. */
export function boundFleet(fleet: FleetService, deadline: number): FleetService {
  const bound = <T>(answer: Promise<T>): Promise<T> => answerWithin(answer, deadline, 'the queue')
  return {
    workers: () => bound(fleet.workers()),
    queues: () => bound(fleet.queues()),
    jobs: (queue, query) => bound(fleet.jobs(queue, query)),
    retryJob: (queue, id) => bound(fleet.retryJob(queue, id)),
    removeJob: (queue, id) => bound(fleet.removeJob(queue, id)),
    pause: () => bound(fleet.pause()),
    resume: () => bound(fleet.resume()),
    state: () => bound(fleet.state()),
    ready: () => bound(fleet.ready()),
  }
}

/** A registry that answers within the deadline (in milliseconds), or `UNAVAILABLE`. */
export function boundModels(models: ModelService, deadline: number): ModelService {
  const bound = <T>(answer: Promise<T>): Promise<T> => answerWithin(answer, deadline, 'the store')
  return {
    list: () => bound(models.list()),
    get: name => bound(models.get(name)),
    promote: (name, version, change) => bound(models.promote(name, version, change)),
    rollback: (name, change) => bound(models.rollback(name, change)),
  }
}

/** Schedules that answer within the deadline (in milliseconds), or `UNAVAILABLE`. */
export function boundSchedules(schedules: ScheduleService, deadline: number): ScheduleService {
  const bound = <T>(answer: Promise<T>): Promise<T> => answerWithin(answer, deadline, 'the store or the queue')
  return {
    list: () => bound(schedules.list()),
    add: spec => bound(schedules.add(spec)),
    get: name => bound(schedules.get(name)),
    change: (name, change) => bound(schedules.change(name, change)),
    pause: name => bound(schedules.pause(name)),
    resume: name => bound(schedules.resume(name)),
    remove: name => bound(schedules.remove(name)),
    run: name => bound(schedules.run(name)),
  }
}

/** Results that are there within the deadline (in milliseconds), or `UNAVAILABLE`; samples of features get longer. */
export function boundInspection(inspection: InspectionService, deadline: number): InspectionService {
  const bound = <T>(answer: Promise<T>, factor = 1): Promise<T> => answerWithin(answer, deadline * factor, 'the store')
  return {
    parts: run => bound(inspection.parts(run)),
    failures: (run, from) => bound(inspection.failures(run, from)),
    images: (run, query) => bound(inspection.images(run, query), query.nearest === undefined ? 1 : sampleFactor),
    predictions: run => bound(inspection.predictions(run)),
    thumbnail: (run, picture) => bound(inspection.thumbnail(run, picture)),
    evaluation: run => bound(inspection.evaluation(run)),
    projection: (run, query) => bound(inspection.projection(run, query), sampleFactor),
    map: (run, layer) => bound(inspection.map(run, layer), sampleFactor),
    activations: (run, query) => bound(inspection.activations(run, query)),
    differences: (run, query) => bound(inspection.differences(run, query), sampleFactor),
    layers: run => bound(inspection.layers(run), sampleFactor),
    neighbours: (run, query) => bound(inspection.neighbours(run, query), sampleFactor),
    audit: (run, query) => bound(inspection.audit(run, query)),
    comparison: run => bound(inspection.comparison(run)),
    judge: (run, body) => bound(inspection.judge(run, body)),
  }
}

/** Analyses whose jobs are queued within the deadline (in milliseconds), or `UNAVAILABLE`. */
export function boundAnalyses(analyses: AnalysisService, deadline: number): AnalysisService {
  return {
    start: (run, body) => answerWithin(analyses.start(run, body), deadline, 'the queue'),
    cancel: (run, kind) => answerWithin(analyses.cancel(run, kind), deadline, 'the queue'),
    list: run => answerWithin(analyses.list(run), deadline, 'the queue'),
  }
}

/** Tries that answer within some deadlines (in milliseconds), or `UNAVAILABLE`: a model is loaded for the first one. */
export function boundTries(tries: TryService, deadline: number): TryService {
  return {
    model: (name, version, query) => answerWithin(tries.model(name, version, query), deadline * sampleFactor, 'the model'),
    run: (id, query) => answerWithin(tries.run(id, query), deadline * sampleFactor, 'the model'),
  }
}
