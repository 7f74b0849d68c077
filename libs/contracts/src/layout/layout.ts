import { LayermillError } from '@layermill/core'

/** The formats of feature files. */
export type FeatureFormat = 'npy' | 'parquet' | 'safetensors'

export const runPath = 'run.json'
/** The ranges that an int8 run computes with. */
export const calibrationPath = 'calibration.json'
/** Images computed at once where the first worker found it out, until `run.json` says it. */
export const batchSizePath = 'batch-size.json'
/** The numeric class that all workers of a run must have, where it asks for one and the same: that of the first. */
export const cpuPath = 'cpu.json'
export const successPath = '_SUCCESS'
/** The report of a run, for people: one HTML file. */
export const reportPath = 'report.html'

/** Folder of a run that an audit of its images is kept in. */
export const auditFolder = 'audit'
/** Findings of that audit, with the verdicts on them. */
export const auditPath = `${auditFolder}/audit.csv`

/** A comparison of a run's layers, with each other or those of other runs. */
export const comparisonPath = 'compare/compare.json'

/** `part-00000`: five digits, more from part 100,000 on. */
export function partName(part: number): string {
  if (!Number.isSafeInteger(part) || part < 0) throw new LayermillError('PART_INVALID', `${part} is not the number of a part`)
  return `part-${String(part).padStart(5, '0')}`
}

/** The part a path belongs to, undefined for a path without one. */
export function partOfPath(path: string): number | undefined {
  const digits = /(?:^|\/)part-(\d{5,})\.[a-z]+$/.exec(path)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * A layer's folder: its name with '.' for each '/', so that `res4/b3` is `features/res4.b3`. A '.' or '%' of the name itself is written
 * `%2E` or `%25`, so that no two layers share a folder; so is every other character that some system does not take, by its bytes in
 * UTF-8, and a '/' in front, which would hide the folder.
 */
export function layerFolder(layer: string): string {
  if (layer === '' || layer.includes(' ') || /\p{Surrogate}/u.test(layer))
    throw new LayermillError('LAYER_INVALID', `${JSON.stringify(layer)} is not the name of a layer`)
  return layer
    .replaceAll('%', '%25')
    .replaceAll(/[^\w./%-]/gu, character => Buffer.from(character).toString('hex').toUpperCase().replaceAll(/../g, '%$&'))
    .replaceAll('.', '%2E')
    .replace(/^\//, '%2F')
    .replaceAll('/', '.')
}

/** The layer a folder of `features/` belongs to: the inverse of `layerFolder`. */
export function layerOfFolder(folder: string): string {
  const bytes = folder.replaceAll('.', '/')
  try {
    return decodeURIComponent(bytes)
  } catch {
    return bytes.replaceAll('%2E', '.').replaceAll('%25', '%')
  }
}

export function manifestPath(part: number): string {
  return `manifest/${partName(part)}.jsonl`
}

/**
 * Path of a part's features. `npy` has one file for each layer, in the layer's folder; `parquet` and `safetensors` have one file a part
 * with all layers in it.
 */
export function featurePath(layer: string, part: number, format: FeatureFormat): string {
  return format === 'npy' ? `features/${layerFolder(layer)}/${partName(part)}.npy` : `features/${partName(part)}.${format}`
}

export function indexPath(part: number): string {
  return `index/${partName(part)}.parquet`
}

export function errorsPath(part: number): string {
  return `errors/${partName(part)}.jsonl`
}

export function commitPath(part: number): string {
  return `commits/${partName(part)}.json`
}

/** Images of a part that each worker could not read. They are kept until another worker has looked or the run is done. */
export const doubtsFolder = 'doubts/'

export function doubtsPath(part: number): string {
  return `${doubtsFolder}${partName(part)}.json`
}

/** A part's predictions: one JSON line for each image, in the order of the manifest. */
export function predictionsPath(part: number): string {
  return `predictions/${partName(part)}.jsonl`
}
