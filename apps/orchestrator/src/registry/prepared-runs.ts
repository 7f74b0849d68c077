import type { RunService, RunSpec } from '@layermill/contracts'

/** Runs whose specs are checked or completed before they are submitted. */
export function preparedRuns(runs: RunService, prepare: (spec: RunSpec) => Promise<RunSpec>): RunService {
  return {
    submit: async spec => runs.submit(await prepare(spec)),
    plan: async (spec, signal) => runs.plan(await prepare(spec), signal),
    list: query => runs.list(query),
    get: id => runs.get(id),
    cancel: id => runs.cancel(id),
    pause: id => runs.pause(id),
    resume: id => runs.resume(id),
    events: (id, options) => runs.events(id, options),
    countByState: () => runs.countByState(),
  }
}
