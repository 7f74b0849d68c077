import { LayermillError } from '@layermill/core'
import type { RunSpec } from '../specs/spec.js'

/**
 * Destination of a run's files: `out`, or for predictions the folder beside their file.
 * @throws LayermillError `SPEC_INVALID` for a prediction without `out`, which nobody could read afterwards.
 */
export function runStoreUrl(spec: RunSpec): string {
  if (spec.kind !== 'predict') return spec.out
  if (spec.out !== undefined) return `${spec.out}.run`
  throw new LayermillError(
    'SPEC_INVALID',
    'out: got nothing, expected a .csv or .jsonl file that the workers can write (a shared disk or s3://)',
  )
}
