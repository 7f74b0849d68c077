import type { GradientJob } from './payloads.js'

type Where = Pick<GradientJob, 'run' | 'session'>

const prefix = ({ run, session }: Where): string => `train/${run}/${session}`

/** Where one version of what learns is in the exchange: parameters (in the run's exchange type), and running statistics (always float32). */
export function parameterKeys(where: Where, version: number): { parameters: string; statistics: string } {
  return { parameters: `${prefix(where)}/parameters/${version}`, statistics: `${prefix(where)}/statistics/${version}` }
}

/** Where the result of a job is: gradients (in the run's exchange type) and batch statistics, or scores. */
export function resultKeys(job: Where & Pick<GradientJob, 'purpose' | 'step' | 'micro'>): { values: string; statistics: string } {
  const name = `${prefix(job)}/${job.purpose}/${job.step}/${job.micro}`
  return { values: name, statistics: `${name}/statistics` }
}
