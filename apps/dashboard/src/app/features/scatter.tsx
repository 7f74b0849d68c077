import type { Projection } from '@layermill/contracts'
import { useRef } from 'preact/hooks'

interface ScatterProps {
  readonly points: Projection['points']
  readonly places: readonly (readonly [number, number])[]
  readonly groups: readonly string[]
  readonly chosen: number | undefined
  readonly marked: ReadonlySet<number>
  readonly onLook: (point: number) => void
  readonly onChoose: (point: number) => void
}

const size = { width: 640, height: 400 }
const margin = 18

/** How many different colours there are; more groups use them again. */
export const groupColours = 10

/** A map of features: each image a point. The pointer or the arrow keys look at points, a click or Enter chooses one. */
export function Scatter({ points, places, groups, chosen, marked, onLook, onChoose }: ScatterProps) {
  const looked = useRef(0)
  const xs = places.map(([x]) => x)
  const ys = places.map(([, y]) => y)
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const at = ([x, y]: readonly [number, number]): [number, number] => [
    margin + ((x - left) / (right - left || 1)) * (size.width - 2 * margin),
    size.height - margin - ((y - bottom) / (top - bottom || 1)) * (size.height - 2 * margin),
  ]
  const drawn = places.map(at)
  const look = (point: number): void => {
    looked.current = point
    onLook(point)
  }
  const nearest = (event: PointerEvent | MouseEvent): number => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect()
    const [x, y] = [((event.clientX - box.left) / box.width) * size.width, ((event.clientY - box.top) / box.height) * size.height]
    let best = 0
    let closest = Infinity
    drawn.forEach(([px, py], i) => {
      const distance = (px - x) ** 2 + (py - y) ** 2
      if (distance < closest) [best, closest] = [i, distance]
    })
    return best
  }
  const press = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault()
      onChoose(looked.current)
      return
    }
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
    if (by === undefined) return
    event.preventDefault()
    look((looked.current + by + points.length) % points.length)
  }
  const group = (i: number): number => groups.indexOf(points[i]?.label ?? '') % groupColours
  return (
    <svg
      class="scatter"
      viewBox={`0 0 ${size.width} ${size.height}`}
      role="application"
      aria-label={`Map of ${points.length} images. Arrow keys look at one after another, Enter finds those like it.`}
      tabindex={0}
      onPointerMove={event => look(nearest(event))}
      onClick={event => onChoose(nearest(event))}
      onKeyDown={press}
    >
      {drawn.map(([x, y], i) => (
        <circle
          key={i}
          class={`dot g${group(i) < 0 ? 0 : group(i)}${marked.has(i) ? ' marked' : ''}${i === chosen ? ' chosen' : ''}`}
          cx={x.toFixed(1)}
          cy={y.toFixed(1)}
          r={i === chosen ? 8 : marked.has(i) ? 6.5 : 4.5}
        />
      ))}
    </svg>
  )
}
