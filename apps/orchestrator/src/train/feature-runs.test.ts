import { describe, expect, it } from 'vitest'
import { featureBatchSize } from './feature-runs.js'

describe('images at once of a run of features', () => {
  const size = { width: 224, height: 224 }

  it('are few without a search where there are not many small ones, and no more than of one gradient job', () => {
    expect(featureBatchSize(384, { microBatch: 32 }, size)).toBe(8)
    expect(featureBatchSize(384, { microBatch: 2 }, size)).toBe(2)
  })

  it('are searched for where there are many or large ones', () => {
    expect(featureBatchSize(4096, { microBatch: 8 }, size)).toBe('auto')
    expect(featureBatchSize(384, { microBatch: 8 }, { width: 512, height: 512 })).toBe('auto')
    expect(featureBatchSize(384, { microBatch: 8 }, 'keep')).toBe('auto')
  })
})
