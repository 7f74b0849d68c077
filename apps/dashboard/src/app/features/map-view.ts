/** Piece of the map that is seen: its left upper corner, in places from 0 to 1, and how many times larger than the whole it is drawn. */
export interface View {
  readonly left: number
  readonly top: number
  readonly scale: number
}

export const fitted: View = { left: 0, top: 0, scale: 1 }
const margin = 18
const largest = 200

/** Pixels at which a place is drawn. Places grow upwards, pixels downwards. */
export function screenOf({ left, top, scale }: View, width: number, height: number, x: number, y: number): [number, number] {
  return [margin + (x - left) * scale * (width - 2 * margin), margin + (1 - y - top) * scale * (height - 2 * margin)]
}

/** Place that is drawn at a pixel. */
export function placeOf({ left, top, scale }: View, width: number, height: number, px: number, py: number): [number, number] {
  return [(px - margin) / (scale * (width - 2 * margin)) + left, 1 - top - (py - margin) / (scale * (height - 2 * margin))]
}

/** The view enlarged `by` times about a point of the screen, given as shares of its width and height. */
export function zoomed({ left, top, scale }: View, by: number, atX: number, atY: number): View {
  const next = Math.max(1, Math.min(largest, scale * by))
  if (next === 1) return fitted
  return { left: left + atX / scale - atX / next, top: top + atY / scale - atY / next, scale: next }
}

/** Whether a place is inside a polygon, by how often a ray from it crosses the polygon's edges. */
export function inside(polygon: readonly (readonly [number, number])[], x: number, y: number): boolean {
  let within = false
  for (let i = 0, before = polygon.length - 1; i < polygon.length; before = i++) {
    const [ax, ay] = polygon[i]!
    const [bx, by] = polygon[before]!
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within
  }
  return within
}

/** The point that is drawn nearest to a pixel; 0 where there are none. */
export function nearestPoint(
  points: { readonly x: Float32Array; readonly y: Float32Array },
  view: View,
  width: number,
  height: number,
  px: number,
  py: number,
): number {
  let best = 0
  let closest = Infinity
  for (let i = 0; i < points.x.length; i++) {
    const [x, y] = screenOf(view, width, height, points.x[i]!, points.y[i]!)
    const distance = (x - px) ** 2 + (y - py) ** 2
    if (distance < closest) [best, closest] = [i, distance]
  }
  return best
}
