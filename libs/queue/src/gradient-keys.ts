import type { GradientJob } from '@layermill/contracts'

type Where = Pick<GradientJob, 'run' | 'session'>

const prefix = ({ run, session }: Where): string => `train/${run}/${session}`

/** Prefix of all keys of a run, or of those of one term of it. */
export function exchangePrefix({ run, session }: Pick<Where, 'run'> & Partial<Where>): string {
  return session === undefined ? `train/${run}/` : `${prefix({ run, session })}/`
}

/** Keys of one version in the exchange: parameters that learn (in the run's exchange type), and running statistics (always float32). */
export function parameterKeys(where: Where, version: number): { parameters: string; statistics: string } {
  return { parameters: `${prefix(where)}/parameters/${version}`, statistics: `${prefix(where)}/statistics/${version}` }
}

/** Keys of a job's result: gradients (in the run's exchange type) and batch statistics, or scores. */
export function resultKeys(job: Where & Pick<GradientJob, 'purpose' | 'step' | 'micro'>): { values: string; statistics: string } {
  const name = `${prefix(job)}/${job.purpose}/${job.step}/${job.micro}`
  return { values: name, statistics: `${name}/statistics` }
}
