import type { CalibrationReport, FoundCalibration, PrecisionChoice } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { hasInt8Instructions } from '@layermill/engines'
import { keepsClasses, leastCosine } from './agreement.js'
import { type CalibrateOptions, calibrateRun, scoresOf } from './calibrate.js'
import { sampleImages } from './sample.js'

/** Images below which choosing ranges takes longer than int8 saves: it computes each of 128 images more than once. */
const fewestImages = 512
/** Float32's seconds over int8's, below which less exact numbers buy nothing. */
const leastSpeedup = 1.1

export interface ChosenPrecision {
  readonly choice: PrecisionChoice
  /** Ranges of an int8 run. */
  readonly found?: FoundCalibration
}

export interface ChooseOptions extends CalibrateOptions {
  /** Default: as this CPU has them; undefined where that is not known. */
  readonly hasInstructions?: () => Promise<boolean | undefined>
}

/** Networks that cannot be computed in int8 say so. */
function unavailable(error: unknown): LayermillError {
  if (error instanceof LayermillError && error.code === 'PRECISION_UNAVAILABLE') return error
  throw error
}

const exact = (reason: string): ChosenPrecision => ({ choice: { chosen: 'fp32', reason } })

/**
 * Takes int8 for a run where it is faster than float32 on some of the run's own images and agrees with it on others, else float32. Asks for
 * what costs nothing first: device, instructions, number of images.
 * @throws as `calibrateRun`
 */
export async function choosePrecision({ hasInstructions = hasInt8Instructions, ...options }: ChooseOptions): Promise<ChosenPrecision> {
  const { provider, source } = options
  const { name, device } = await provider.openEngine()
  if (name !== 'onnx' || device !== 'cpu') return exact(`int8 is computed by ONNX Runtime on the CPU, not by ${name} on ${device}`)
  if ((await hasInstructions()) === false) return exact('this CPU has no instructions for 8-bit products (avx512_vnni, avx_vnni)')
  const sample = await sampleImages(source.items())
  if (sample.total < fewestImages)
    return exact(`choosing ranges for int8 takes longer than it saves with fewer than ${fewestImages} images`)
  const found = await calibrateRun({ ...options, sample }).catch(unavailable)
  if (found instanceof LayermillError) return exact(found.message)
  const { network } = await provider.outline(options.record.spec.model, options.record.spec.weights)
  const choice = verdictOf(found.speedup ?? 0, found.report, scoresOf(network))
  return choice.chosen === 'int8' ? { choice, found } : { choice }
}

/**
 * Verdict on int8 by its measured speed and agreement.
 * @param speedup float32's seconds over int8's
 * @param found cosine of each layer's values in int8 to float32's, and how many labelled images each recognises
 * @param scores layers that the labels decide on, where there are some
 */
export function verdictOf(
  speedup: number,
  { cosine, labelled }: Pick<CalibrationReport, 'cosine' | 'labelled'>,
  scores: ReadonlySet<string> = new Set(),
): PrecisionChoice {
  const byLabels = labelled?.decides === true ? labelled : undefined
  const means = Object.entries(cosine).flatMap(([layer, { mean }]) =>
    byLabels !== undefined && scores.has(layer) ? [] : [[layer, mean] as const],
  )
  const [layer, worst] = means.toSorted((a, b) => a[1] - b[1])[0] ?? ['', 1]
  const times = `int8 is ${speedup.toFixed(2)} times as fast as fp32 on some of the images`
  if (speedup < leastSpeedup) return { chosen: 'fp32', speedup, reason: `${times}` }
  if (!(worst >= leastCosine))
    return {
      chosen: 'fp32',
      speedup,
      reason: `${times}, but ${layer} has a mean cosine of ${worst.toFixed(4)} to fp32, below ${leastCosine}`,
    }
  const agreed = layer === '' ? [] : [`smallest mean cosine to fp32 ${worst.toFixed(4)} (${layer})`]
  if (byLabels === undefined) return { chosen: 'int8', speedup, reason: [times, ...agreed].join('; ') }
  const recognised = `top-1 ${percent(byLabels.int8)}, ${percent(byLabels.fp32)} in fp32`
  if (!keepsClasses(byLabels)) return { chosen: 'fp32', speedup, reason: `${times}, but ${recognised}` }
  return { chosen: 'int8', speedup, reason: [times, recognised, ...agreed].join('; ') }
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`
