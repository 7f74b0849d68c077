import { describe, expect, it } from 'vitest'
import { seededRandom } from '@layermill/training'
import { linearProbe, suggestLayer } from './linear-probe.js'

const random = seededRandom('probe')
/** Rows whose first numbers tell the class, `distance` standard deviations apart; the rest is noise. */
function rows(count: number, dimensions: number, distance: number): { features: Float32Array[]; labels: number[]; classes: number } {
  const labels = Array.from({ length: count }, (_, i) => i % 3)
  const features = labels.map(label =>
    Float32Array.from({ length: dimensions }, (_, d) => 100 + random.normal() + (d === label ? distance : 0)),
  )
  return { features, labels, classes: 3 }
}

describe('linearProbe', () => {
  it('tells apart what can be, and is at chance where nothing can', async () => {
    expect((await linearProbe(rows(90, 20, 8))).accuracy).toBeGreaterThan(0.97)
    const chance = await linearProbe(rows(90, 400, 0))
    expect(chance.accuracy).toBeLessThan(0.55)
    expect(chance.standardError).toBeGreaterThan(0.03)
  })

  it('judges each image without itself: more dimensions than images do not help', async () => {
    const { features } = rows(60, 500, 0)
    const labels = features.map(() => random.integer(2))
    expect((await linearProbe({ features, labels, classes: 2 })).accuracy).toBeLessThan(0.75)
  })

  it('does not mind constant dimensions, or unequal classes', async () => {
    const { features, labels } = rows(60, 6, 8)
    const padded = features.map(row => Float32Array.from([...row, 5, 0]))
    expect((await linearProbe({ features: padded, labels, classes: 4 })).accuracy).toBeGreaterThan(0.95)
  })
})

describe('suggestLayer', () => {
  const layer = (name: string, accuracy: number, bytesPerImage: number) => ({
    layer: name,
    accuracy,
    bytesPerImage,
    standardError: 0.02,
    shape: [1],
    dimensions: 1,
  })

  it('takes the smallest of those as good as the best', () => {
    expect(suggestLayer([layer('a', 0.5, 1), layer('b', 0.9, 100), layer('c', 0.91, 1000), layer('d', 0.895, 50)])).toBe('d')
    expect(suggestLayer([layer('a', 0.9, 10), layer('b', 0.9, 10)])).toBe('b')
  })
})
