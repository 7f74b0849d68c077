import type { FeatureMap } from '@layermill/contracts'
import { encodePng } from '@layermill/preprocess'

/** Colours of groups, in their order; the last is for what is of no group or of one further on. */
export const mapColours = ['#3b7ddd', '#e0712c', '#2f9e6b', '#c94f7c', '#8a63d2', '#a3862b', '#2a9fb5', '#d0564a', '#6b7f3f', '#7b7f8a']

const [width, height, margin] = [960, 640, 12]
/** Largest place on a map. */
const span = 65_535

const rgb = (colour: string): readonly number[] => [1, 3, 5].map(at => Number.parseInt(colour.slice(at, at + 2), 16))

/** Radius of a point in pixels: many points are small. */
const radiusOf = (points: number): number => (points > 20_000 ? 1 : points > 2000 ? 2 : points > 300 ? 3 : 4)

/**
 * The points of a map as a PNG of 960x640 pixels, whatever their number.
 * @param groups a group for each point, -1 for none
 */
export async function mapPicture({ x = [], y = [] }: FeatureMap, groups: readonly number[]): Promise<Uint8Array> {
  const data = new Uint8Array(3 * width * height).fill(255)
  const colours = mapColours.map(rgb)
  const radius = radiusOf(x.length)
  for (let point = 0; point < x.length; point++) {
    const centreX = Math.round(margin + (x[point]! / span) * (width - 1 - 2 * margin))
    const centreY = Math.round(margin + (y[point]! / span) * (height - 1 - 2 * margin))
    const group = groups[point] ?? -1
    const colour = colours[group < 0 || group >= colours.length ? colours.length - 1 : group]!
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++) {
        if (dx * dx + dy * dy <= radius * radius) data.set(colour, 3 * ((centreY + dy) * width + centreX + dx))
      }
    }
  }
  return encodePng({ width, height, data })
}
