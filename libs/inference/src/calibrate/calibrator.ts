import { hasInt8Instructions } from '@layermill/engines'
import type { ModelProvider } from '../model-provider.js'
import { calibrateRun } from './calibrate.js'
import { type ChosenPrecision, choosePrecision } from './choose-precision.js'
import { calibrationImages } from './sample.js'
import { type CalibrationReport, describeLabelled, type FoundCalibration, type RunRecord } from '@layermill/contracts'
import type { ImageSource } from '@layermill/storage'

/** Chooses an int8 run's ranges from its images, and compares with float32. */
export type Calibrator = (record: RunRecord, source: ImageSource, signal?: AbortSignal) => Promise<FoundCalibration>

/** Tells of a CPU on which int8 is of little use. */
export async function noteInt8Support(note: (text: string) => void): Promise<void> {
  if ((await hasInt8Instructions()) !== false) return
  note('int8: this CPU has no instructions for 8-bit products (avx512_vnni, avx_vnni): the results are right, but hardly faster than fp32')
}

/** One line on how an int8 run's numbers agree with float32's. */
export function describeAgreement({ cosine, top1, labelled, compared, heldOut, images, float32 }: CalibrationReport): string {
  const layers = Object.entries(cosine).map(
    ([layer, { mean, smallest }]) => `${layer} ${mean.toFixed(4)} (smallest ${smallest.toFixed(4)})`,
  )
  const known = labelled === undefined ? '' : `, ${describeLabelled(labelled)}`
  const same = top1 === undefined ? '' : `, same likeliest class ${(top1 * 100).toFixed(1)}%`
  const on = heldOut ? `${compared} other images` : `the same ${compared} images, as there are no others`
  const exact = float32 === undefined ? '' : `; computed in fp32, being too far off: ${float32.join(', ')}`
  return `int8: ranges of ${images} images; cosine with fp32 ${layers.join(', ')}${same}${known}, on ${on}${exact}`
}

/** Chooses an int8 run's ranges with a provider's engine, and says so. */
export function calibrator(provider: ModelProvider, readAhead: number, note: (text: string) => void): Calibrator {
  return async (record, source, signal) => {
    await noteInt8Support(note)
    const result = await calibrateRun({ record, provider, source, readAhead, onSample: sampleNote(note), signal })
    note(describeAgreement(result.report))
    return result
  }
}

const sampleNote =
  (note: (text: string) => void) =>
  (chosen: number, others: number): void => {
    note(`int8: choosing ranges with ${chosen} images, comparing with fp32 on ${others > 0 ? `${others} others` : 'the same'}`)
    if (chosen < calibrationImages)
      note(`warning: int8 is calibrated with all ${chosen} images there are; ${calibrationImages} or more give better ranges`)
  }

/** Takes float32 or int8 for a run that leaves it open. */
export type PrecisionChooser = (record: RunRecord, source: ImageSource, signal?: AbortSignal) => Promise<ChosenPrecision>

/** Takes a run's precision with a provider's engine, and says so. */
export function precisionChooser(provider: ModelProvider, readAhead: number, note: (text: string) => void): PrecisionChooser {
  return async (record, source, signal) => {
    const found = await choosePrecision({ record, provider, source, readAhead, onSample: sampleNote(note), signal })
    note(`precision auto: ${found.choice.chosen}, ${found.choice.reason}`)
    return found
  }
}
