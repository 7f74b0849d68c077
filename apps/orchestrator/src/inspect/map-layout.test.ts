import { mulberry32 } from '@layermill/core'
import { expect, it } from 'vitest'
import { layOut } from './map-layout.js'

const [groups, each, columns] = [3, 120, 6]
const count = groups * each

/** Rows of three groups that lie far apart, one after another, with noise. */
function rows(): Float32Array {
  const random = mulberry32(7)
  return Float32Array.from({ length: count * columns }, (_, i) => {
    const group = Math.floor(i / columns) % groups
    return (i % columns === group ? 40 : 0) + random() * 2 - 1
  })
}

/** Share of the rows whose middle on the map that is nearest to them is their own group's. */
function together({ x, y }: { x: Uint16Array; y: Uint16Array }): number {
  const middles = Array.from({ length: groups }, (_, group) =>
    [x, y].map(values => Array.from(values).reduce((sum, value, i) => sum + (i % groups === group ? value / each : 0), 0)),
  )
  const own = Array.from({ length: count }, (_, i) => {
    const distances = middles.map(([middleX = 0, middleY = 0]) => Math.hypot(x[i]! - middleX, y[i]! - middleY))
    return distances.indexOf(Math.min(...distances)) === i % groups
  })
  return own.filter(Boolean).length / count
}

it('puts images that no landmark stands for among those of their kind', () => {
  const layout = layOut(rows(), count, columns, 45)
  expect([layout.x.length, layout.y.length]).toEqual([count, count])
  expect(together(layout)).toBe(1)
  // Nothing lies outside of what the landmarks span, and the map is used whole.
  expect([Math.min(...layout.x), Math.max(...layout.x)]).toEqual([0, 65_535])
  // No cluster has images of two groups.
  for (const cluster of new Set(layout.clusters)) {
    const members = Array.from(layout.clusters).flatMap((own, i) => (own === cluster ? [i % groups] : []))
    expect(new Set(members).size).toBe(1)
  }
})

it('gives the same map of the same features every time', () => {
  const [first, second] = [layOut(rows(), count, columns, 45), layOut(rows(), count, columns, 45)]
  expect(first).toEqual(second)
})
