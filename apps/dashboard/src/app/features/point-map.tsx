import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { theme } from '../core/theme.js'
import { groupColours } from './colours.js'
import { fitted, inside, nearestPoint, placeOf, screenOf, type View, zoomed } from './map-view.js'

/** Images on a map: their places from 0 to 1. */
export interface MapPoints {
  readonly x: Float32Array
  readonly y: Float32Array
}

interface PointMapProps {
  readonly points: MapPoints
  /** Number of a colour for each point; -1 for one of no group. */
  readonly groups: Int32Array
  /** Points that are drawn over the others, which then fade. */
  readonly marked: ReadonlySet<number>
  readonly chosen: number | undefined
  /** A drag draws a lasso instead of moving the map. */
  readonly lasso: boolean
  readonly onLook: (point: number) => void
  readonly onChoose: (point: number) => void
  readonly onLasso: (points: number[]) => void
}

const height = 460
const palette = ['#3b7ddd', '#e0712c', '#2f9e6b', '#c94f7c', '#8a63d2', '#a3862b', '#2a9fb5', '#d0564a', '#6b7f3f', '#7b7f8a']
/** Pixels that the pointer may move in a click. */
const still = 4

interface Drag {
  readonly from: readonly [number, number]
  readonly view: View
  readonly path: [number, number][]
}

function draw(
  canvas: HTMLCanvasElement,
  { points, groups, marked, chosen }: PointMapProps,
  view: View,
  path: readonly [number, number][],
): void {
  const ratio = Math.min(2, devicePixelRatio)
  const width = canvas.clientWidth
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  const context = canvas.getContext('2d')
  if (context === null) return
  context.scale(ratio, ratio)
  const count = points.x.length
  const ink = getComputedStyle(canvas).color
  const side = Math.max(1.5, Math.min(9, (count > 20_000 ? 2.5 : count > 2000 ? 4 : 8) * Math.sqrt(view.scale)))
  // Colour by colour: setting one costs more than drawing a point.
  for (let colour = 0; colour <= groupColours; colour++) {
    context.fillStyle = palette[colour] ?? '#8d949e'
    context.globalAlpha = marked.size > 0 ? 0.16 : 0.8
    for (let i = 0; i < count; i++) {
      const group = groups[i]!
      if ((group < 0 ? groupColours : group % groupColours) !== colour) continue
      const [x, y] = screenOf(view, width, height, points.x[i]!, points.y[i]!)
      if (x < -side || y < -side || x > width + side || y > height + side) continue
      context.fillRect(x - side / 2, y - side / 2, side, side)
    }
  }
  context.globalAlpha = 1
  const disc = (i: number, radius: number, line: number): void => {
    const [x, y] = screenOf(view, width, height, points.x[i]!, points.y[i]!)
    const group = groups[i]!
    context.beginPath()
    context.arc(x, y, radius, 0, 2 * Math.PI)
    context.fillStyle = group < 0 ? '#8d949e' : palette[group % groupColours]!
    context.fill()
    if (line === 0) return
    context.strokeStyle = ink
    context.lineWidth = line
    context.stroke()
  }
  for (const i of marked) disc(i, side / 2 + 1, marked.size > 2000 ? 0 : 1)
  if (chosen !== undefined && chosen < count) disc(chosen, side / 2 + 4, 2.5)
  if (path.length > 1) {
    context.beginPath()
    for (const [x, y] of path) context.lineTo(x, y)
    context.closePath()
    context.strokeStyle = ink
    context.lineWidth = 1.5
    context.setLineDash([5, 4])
    context.stroke()
  }
}

function ZoomButtons({ view, onView }: { view: View; onView: (view: View) => void }) {
  return (
    <div class="zoom" role="group" aria-label="Zoom">
      <button type="button" aria-label="Zoom in" onClick={() => onView(zoomed(view, 1.5, 0.5, 0.5))}>
        +
      </button>
      <button type="button" aria-label="Zoom out" onClick={() => onView(zoomed(view, 1 / 1.5, 0.5, 0.5))}>
        −
      </button>
      <button type="button" aria-label="Show all" onClick={() => onView(fitted)}>
        all
      </button>
    </div>
  )
}

/** A map of images on a canvas, up to a hundred thousand: the wheel zooms, a drag moves, a lasso chooses many; all of it by keys as well. */
export function PointMap(props: PointMapProps) {
  const { points, lasso, onLook, onChoose, onLasso } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  const [view, setView] = useState<View>(fitted)
  // Moves come faster than the page is drawn, so that what they add to is not what was drawn last.
  const drag = useRef<Drag | undefined>(undefined)
  const [path, setPath] = useState<readonly [number, number][]>([])
  const [width, setWidth] = useState(0)
  const looked = useRef(0)
  const count = points.x.length
  useEffect(() => {
    const element = canvas.current
    if (element === null) return undefined
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    // The browser's own listener: the page must not scroll while the map zooms.
    const wheel = (event: WheelEvent): void => {
      event.preventDefault()
      setView(old => zoomed(old, Math.exp(-event.deltaY / 400), event.offsetX / element.clientWidth, event.offsetY / height))
    }
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      observer.disconnect()
      element.removeEventListener('wheel', wheel)
    }
  }, [])
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, props, view, path)
  }, [props.points, props.groups, props.marked, props.chosen, view, path, width, theme.value])
  const order = useMemo(() => {
    const sorted = Uint32Array.from({ length: count }, (_, i) => i)
    return sorted.sort((a, b) => points.x[a]! - points.x[b]!)
  }, [points])
  const at = (event: PointerEvent): number => nearestPoint(points, view, canvas.current!.clientWidth, height, event.offsetX, event.offsetY)
  const look = (point: number): void => {
    looked.current = point
    onLook(point)
  }
  const move = (event: PointerEvent): void => {
    const held = drag.current
    if (held === undefined) return look(at(event))
    held.path.push([event.offsetX, event.offsetY])
    if (lasso) setPath([...held.path])
    else {
      const [dx, dy] = [(event.offsetX - held.from[0]) / canvas.current!.clientWidth, (event.offsetY - held.from[1]) / height]
      setView({ ...held.view, left: held.view.left - dx / held.view.scale, top: held.view.top - dy / held.view.scale })
    }
  }
  const drop = (): void => {
    drag.current = undefined
    setPath([])
  }
  const release = (event: PointerEvent): void => {
    const held = drag.current
    if (held === undefined) return
    drop()
    const moved = held.path.some(([x, y]) => Math.hypot(x - held.from[0], y - held.from[1]) > still)
    if (!moved) return onChoose(at(event))
    if (lasso) {
      const polygon = held.path.map(([x, y]) => placeOf(view, canvas.current!.clientWidth, height, x, y))
      onLasso(Array.from({ length: count }, (_, i) => i).filter(i => inside(polygon, points.x[i]!, points.y[i]!)))
    }
  }
  const press = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
    if (by !== undefined && count > 0) {
      const rank = order.indexOf(looked.current)
      look(order[(rank + by + count) % count]!)
    } else if (event.key === 'Enter' || event.key === ' ') onChoose(looked.current)
    else if (event.key === '+' || event.key === '=') setView(zoomed(view, 1.5, 0.5, 0.5))
    else if (event.key === '-') setView(zoomed(view, 1 / 1.5, 0.5, 0.5))
    else if (event.key === '0') setView(fitted)
    else return
    event.preventDefault()
  }
  return (
    <div class="point-map">
      <canvas
        ref={canvas}
        class={lasso ? 'scatter lasso' : 'scatter'}
        height={height}
        role="application"
        aria-label={`Map of ${count} images. Arrow keys look at one after another, Enter finds those like it, plus and minus zoom, 0 shows all.`}
        tabindex={0}
        onPointerMove={move}
        onPointerDown={event => {
          canvas.current?.setPointerCapture(event.pointerId)
          drag.current = { from: [event.offsetX, event.offsetY], view, path: [[event.offsetX, event.offsetY]] }
        }}
        onPointerUp={release}
        onPointerCancel={drop}
        onKeyDown={press}
      />
      <ZoomButtons view={view} onView={setView} />
    </div>
  )
}
