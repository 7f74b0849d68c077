import { getNetwork } from '@layermill/models'
import { describe, expect, it } from 'vitest'
import { OwnSizes } from './own-sizes.js'

const plenty = (): number => 1e12

describe('OwnSizes', () => {
  it('refuses an image that a layer has nothing left of, or takes in one size only', () => {
    const pool = new OwnSizes(getNetwork('vgg16'), ['pool5'], plenty)
    expect(() => pool.check([224, 320])).not.toThrow()
    expect(() => pool.check([1, 1])).not.toThrow()
    const first = new OwnSizes(getNetwork('googlenet'), ['pool5'], plenty)
    expect(() => first.check([16, 16])).toThrow(
      expect.objectContaining({ code: 'IMAGE_SIZE', message: expect.stringContaining('16x16') as string }),
    )
    const fully = new OwnSizes(getNetwork('vgg16'), ['fc7'], plenty)
    expect(() => fully.check([224, 224])).not.toThrow()
    for (let again = 0; again < 2; again++) expect(() => fully.check([300, 224])).toThrow(expect.objectContaining({ code: 'IMAGE_SIZE' }))
  })

  it('refuses an image that does not fit into memory, and bounds batches', () => {
    const sizes = new OwnSizes(getNetwork('vgg16'), ['pool5'], () => 4e9)
    // The first two convolutions of 64 channels are there at once: some 26 MB for 224x224.
    expect(sizes.workingBytes([224, 224])).toBeGreaterThan(25e6)
    expect(sizes.fits([224, 224], 8)).toBe(true)
    expect(sizes.fits([224, 224], 40)).toBe(false)
    expect(sizes.fits([1500, 1500], 1)).toBe(false)
    expect(() => sizes.check([1500, 1500])).not.toThrow()
    expect(() => sizes.check([6000, 4000])).toThrow(
      expect.objectContaining({ code: 'IMAGE_TOO_LARGE', message: expect.stringMatching(/4000x6000.* GB/) as string }),
    )
  })
})
