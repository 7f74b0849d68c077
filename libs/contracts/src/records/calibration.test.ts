import { expect, it } from 'vitest'
import { type Calibration, parseCalibration, serializeCalibration } from './calibration.js'

const calibration: Calibration = { version: 1, method: 'min-max', sample: ['a.jpg'], ranges: { input: [-1.5, 0.1], pool: [0, 3.25] } }
const { text, sha256 } = serializeCalibration(calibration)
const bytes = new TextEncoder().encode(text)

it('comes back as it was written', () => {
  expect(parseCalibration(bytes, sha256, 'out')).toEqual(calibration)
})

it('is refused where it is missing, another one, or cannot be read', () => {
  const refusal = (file: Uint8Array | undefined, hash: string, message: RegExp): void => {
    expect(() => parseCalibration(file, hash, 'out')).toThrow(
      expect.objectContaining({ code: 'CALIBRATION_INVALID', message: expect.stringMatching(message) as string }),
    )
  }
  refusal(undefined, sha256, /out\/calibration.json is missing/)
  refusal(bytes, 'f'.repeat(64), new RegExp(`has SHA-256 ${sha256}, run.json names ffff`))
  const broken = serializeCalibration({ ...calibration, ranges: { input: [1] as unknown as [number, number] } })
  refusal(new TextEncoder().encode(broken.text), broken.sha256, /cannot be read/)
})
