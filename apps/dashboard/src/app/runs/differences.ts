import type { RunDetail } from '@layermill/contracts'

/** Fields that say where a run is and not what it computes. */
const leftOut = new Set(['out', 'overwrite', 'update', 'retryFailed', 'plan', 'notify', 'priority', 'register'])

const text = (value: unknown): string =>
  value === undefined || value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value)

export interface Difference {
  readonly setting: string
  /** One for each run, in their order. */
  readonly values: readonly string[]
}

/** Settings in which some runs differ, and what decides their numbers where that does. */
export function differencesOf(runs: readonly RunDetail[]): Difference[] {
  const fields = (pick: (run: RunDetail) => Readonly<Record<string, unknown>> | undefined, prefix: string): Difference[] => {
    const names = new Set(runs.flatMap(run => Object.keys(pick(run) ?? {})))
    return [...names]
      .filter(name => !leftOut.has(name))
      .map(name => ({ setting: `${prefix}${name}`, values: runs.map(run => text(pick(run)?.[name])) }))
      .filter(({ values }) => new Set(values).size > 1)
  }
  const ofSpec = fields(({ spec }) => spec, '')
  const known = new Set(ofSpec.map(({ setting }) => setting))
  return [
    ...ofSpec,
    ...fields(({ identity }) => identity, 'used: ').filter(({ setting }) => !known.has(setting.slice('used: '.length))),
    ...fields(({ versions }) => versions, 'version: '),
  ]
}
