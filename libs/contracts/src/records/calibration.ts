import { createHash } from 'node:crypto'
import { LayermillError } from '@layermill/core'
import * as z from 'zod'

/** How a value's range is chosen: from the smallest to the largest, or without the outermost ten-thousandth on either side. */
export const calibrationMethods = ['min-max', 'percentile'] as const
export type CalibrationMethod = (typeof calibrationMethods)[number]

/** `calibration.json`: what an int8 run computes with, the same for all its parts and workers. */
export const Calibration = z.object({
  version: z.literal(1),
  method: z.enum(calibrationMethods),
  /** Keys of the images that the ranges are of, sorted. */
  sample: z.array(z.string()),
  /** Smallest and largest value, by node. */
  ranges: z.record(z.string(), z.tuple([z.number(), z.number()])),
  /** Layers of an ONNX file that are computed in float32, as int8 is too far from it there. */
  float32: z.array(z.string()).optional(),
})
export type Calibration = z.output<typeof Calibration>

/** Comparison of an int8 run's numbers with float32's for the same images, as `run.json` has it. */
export const CalibrationReport = z.object({
  method: z.enum(calibrationMethods),
  /** Images that the ranges are of. */
  images: z.int(),
  /** Images on which int8 and float32 were compared, and whether they are others. */
  compared: z.int(),
  heldOut: z.boolean(),
  /** Cosine of the two results of an image, by layer. */
  cosine: z.record(z.string(), z.object({ mean: z.number(), smallest: z.number() })),
  /** Share of images with the same likeliest class; left out where the classifier cannot take the images' size. */
  top1: z.number().optional(),
  /**
   * Share of the compared images with a known class whose likeliest class is that one, in either precision; only where there are some. It
   * decides on the classes' scores unless float32 misses most of them, as it does where the labels mean other classes.
   */
  labelled: z.object({ images: z.int(), fp32: z.number(), int8: z.number(), decides: z.boolean() }).optional(),
  /** Layers of an ONNX file that are computed in float32, as their int8 was further off than allowed. */
  float32: z.array(z.string()).optional(),
})
export type CalibrationReport = z.output<typeof CalibrationReport>

/** Words on how many labelled images either precision recognises. */
export function describeLabelled({ images, fp32, int8, decides }: NonNullable<CalibrationReport['labelled']>): string {
  const [wanted, found] = [fp32, int8].map(share => `${(share * 100).toFixed(1)}%`)
  const unused = decides ? '' : ', too few in fp32 to decide by'
  return `top-1 by the labels of ${images} images ${found} (${wanted} in fp32${unused})`
}

/** Ranges, how far int8 with them agrees with float32, and how many times as fast it is. */
export const FoundCalibration = z.object({ calibration: Calibration, report: CalibrationReport, speedup: z.number().optional() })
export type FoundCalibration = z.output<typeof FoundCalibration>

/** Outcome of `--precision auto`, as `run.json` has it. */
export const PrecisionChoice = z.object({
  chosen: z.enum(['fp32', 'int8']),
  /** Seconds of float32 over seconds of int8 for the same batches; left out where they were not tried. */
  speedup: z.number().optional(),
  reason: z.string(),
})
export type PrecisionChoice = z.output<typeof PrecisionChoice>

/** `calibration.json` as text, and the SHA-256 of that text. The same ranges give the same text. */
export function serializeCalibration(calibration: Calibration): { text: string; sha256: string } {
  const text = `${JSON.stringify(calibration, null, 1)}\n`
  return { text, sha256: createHash('sha256').update(text).digest('hex') }
}

/**
 * Reads `calibration.json`.
 * @param bytes undefined where the file is missing
 * @param sha256 what the run says that the file is
 * @throws LayermillError `CALIBRATION_INVALID`
 */
export function parseCalibration(bytes: Uint8Array | undefined, sha256: string, where: string): Calibration {
  const hint = 'put the file back, or replace the run with --overwrite'
  if (bytes === undefined) throw new LayermillError('CALIBRATION_INVALID', `${where}/calibration.json is missing`, { hint })
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== sha256)
    throw new LayermillError('CALIBRATION_INVALID', `${where}/calibration.json has SHA-256 ${found}, run.json names ${sha256}`, { hint })
  try {
    return Calibration.parse(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (cause) {
    throw new LayermillError('CALIBRATION_INVALID', `${where}/calibration.json cannot be read`, { cause, hint })
  }
}
