import { expect, it } from 'vitest'
import { fitted, inside, nearestPoint, placeOf, screenOf, zoomed } from './map-view.js'

it('zooms about the point that is pointed at, and never out of the map', () => {
  const view = zoomed(fitted, 4, 0.25, 0.5)
  const [before] = placeOf(fitted, 1036, 536, 268, 268)
  expect(placeOf(view, 1036, 536, 268, 268)[0]).toBeCloseTo(before, 1)
  expect(view.scale).toBe(4)
  expect(zoomed(view, 0.01, 0.9, 0.9)).toEqual(fitted)
  const [x, y] = screenOf(view, 800, 400, 0.3, 0.6)
  expect(placeOf(view, 800, 400, x, y)).toEqual([expect.closeTo(0.3, 9), expect.closeTo(0.6, 9)])
})

it('tells what a lasso holds, also where it bends inwards', () => {
  const bent: [number, number][] = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0.5, 0.4],
    [0, 1],
  ]
  expect(inside(bent, 0.5, 0.2)).toBe(true)
  expect(inside(bent, 0.5, 0.8)).toBe(false)
  expect(inside(bent, 0.05, 0.85)).toBe(true)
  expect(inside(bent, 1.2, 0.5)).toBe(false)
})

it('finds the point that is drawn nearest', () => {
  const points = { x: Float32Array.from([0, 0.5, 1]), y: Float32Array.from([0, 0.5, 1]) }
  const [x, y] = screenOf(fitted, 500, 300, 0.95, 0.9)
  expect(nearestPoint(points, fitted, 500, 300, x, y)).toBe(2)
})
