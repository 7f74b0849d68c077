import { FoundCalibration, type RunIdentity } from '@layermill/contracts'
import { KeptFindings } from '../kept.js'

/** Raised where other values of a network need ranges than before. */
export const planVersion = 1

/** Case that ranges were chosen for. In another case they are chosen anew. */
export interface CalibrationCase extends Pick<RunIdentity, 'weights' | 'layers' | 'preparation'> {
  /** Version of the rules by which values are chosen whose ranges are needed: `planVersion`. */
  readonly plan: number
  readonly engine: string
  readonly version: string
  readonly processor: string
  readonly method: string
  /** SHA-256 over keys and versions of the images. */
  readonly sample: string
}

/** Ranges chosen on this machine: `$LAYERMILL_HOME/calibrations`, one small file each. */
export const keptCalibrations = (): KeptFindings<CalibrationCase, FoundCalibration> =>
  new KeptFindings('calibrations', 'found', found => FoundCalibration.parse(found))
