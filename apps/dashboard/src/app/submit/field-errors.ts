import type { Problem } from '@layermill/contracts'

/** Fields that codes without a field's name are about. */
const fieldOfCode: readonly (readonly [RegExp, string])[] = [
  [/^LAYER_|^HEAD_/, 'layers'],
  [/^MODEL_/, 'model'],
  [/^SOURCE_|^LIST_/, 'source'],
  [/^STORE_|^RUN_CONFLICT/, 'out'],
  [/^INPUT_SIZE/, 'size'],
  [/^WEIGHTS_/, 'weights'],
  [/^DEVICE_/, 'device'],
  [/^PRECISION_/, 'precision'],
  [/^SCHEDULE_EXISTS/, 'name'],
]

export interface FormErrors {
  /** By the field's name. */
  readonly fields: Readonly<Record<string, string>>
  /** Messages that belong to no field of the form. */
  readonly rest: readonly string[]
}

export const noErrors: FormErrors = { fields: {}, rest: [] }

/**
 * The server's own words about a spec or a schedule, each line at the field that it names. A schedule's spec has its fields as `spec.NAME`.
 */
export function fieldErrors(problem: Pick<Problem, 'detail' | 'code' | 'errors' | 'hint'>, known: readonly string[]): FormErrors {
  const fields: Record<string, string> = {}
  const rest: string[] = []
  const meant = fieldOfCode.find(([pattern]) => pattern.test(problem.code))?.[1]
  const byCode = known.find(name => name === meant || name === `spec.${meant ?? ''}`)
  for (const line of problem.errors ?? [problem.detail]) {
    const match = /^((?:spec\.)?\w+)[\w.[\]]*: (.+)$/s.exec(line)
    const name = match?.[1] !== undefined && known.includes(match[1]) ? match[1] : byCode
    const text = match?.[1] === name ? (match?.[2] ?? line) : line
    if (name === undefined) rest.push(line)
    else fields[name] = fields[name] === undefined ? text : `${fields[name]}; ${text}`
  }
  const [only, ...others] = Object.keys(fields)
  if (problem.hint !== undefined && only !== undefined && others.length === 0) fields[only] = `${fields[only] ?? ''}. ${problem.hint}`
  else if (problem.hint !== undefined) rest.push(problem.hint)
  return { fields, rest }
}
