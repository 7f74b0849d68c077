/** Numbers in [0, 1), the same ones for the same seed. */
export type Random = () => number

export interface Canvas {
  readonly width: number
  readonly height: number
}

/** Draws one picture: the inside of an SVG document of the canvas's size. */
export type Scene = (canvas: Canvas, random: Random) => string

const between = (random: Random, low: number, high: number): number => low + (high - low) * random()
const hsl = (hue: number, saturation: number, lightness: number): string =>
  `hsl(${(((hue % 360) + 360) % 360).toFixed(1)}, ${saturation.toFixed(1)}%, ${lightness.toFixed(1)}%)`
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

function gradient(id: string, from: string, to: string, angle = 90): string {
  return `<linearGradient id="${id}" gradientTransform="rotate(${angle.toFixed(1)} 0.5 0.5)"><stop stop-color="${from}"/><stop offset="1" stop-color="${to}"/></linearGradient>`
}

/** Glossy discs of one family of colours over a soft gradient. */
export const discs: Scene = ({ width, height }, random) => {
  const hue = between(random, 0, 360)
  const background = gradient('background', hsl(hue + 180, 35, 92), hsl(hue + 215, 45, 62), between(random, 20, 160))
  const shapes = range(5 + Math.floor(between(random, 0, 5))).map(i => {
    const radius = Math.min(width, height) * between(random, 0.09, 0.24)
    const x = between(random, radius * 0.8, width - radius * 0.8)
    const y = between(random, radius * 0.8, height - radius * 0.8)
    const tone = hue + between(random, -28, 28)
    const shade = `<radialGradient id="disc${i}" cx="0.35" cy="0.3" r="0.8"><stop stop-color="${hsl(tone, 90, 80)}"/><stop offset="0.45" stop-color="${hsl(tone, 80, 55)}"/><stop offset="1" stop-color="${hsl(tone, 75, 26)}"/></radialGradient>`
    const shadow = `<ellipse cx="${x + radius * 0.12}" cy="${y + radius * 0.18}" rx="${radius}" ry="${radius}" fill="#000" opacity="0.18"/>`
    return `${shade}${shadow}<circle cx="${x}" cy="${y}" r="${radius}" fill="url(#disc${i})"/>`
  })
  return `${background}<rect width="100%" height="100%" fill="url(#background)"/>${shapes.join('')}`
}

/** Parallel bands of three colours at some angle, woven like cloth. */
export const stripes: Scene = ({ width, height }, random) => {
  const hue = between(random, 0, 360)
  const colours = [hsl(hue, 65, 38), hsl(hue + 35, 75, 72), hsl(hue + 190, 45, 88)]
  const step = between(random, 16, 34)
  const bands = colours.map((colour, i) => {
    const thickness = step * between(random, 0.25, 0.6)
    return `<rect y="${step * i}" width="${step * 3}" height="${thickness}" fill="${colour}"/>`
  })
  const angle = between(random, 15, 165)
  const pattern = `<pattern id="bands" width="${step * 3}" height="${step * 3}" patternUnits="userSpaceOnUse" patternTransform="rotate(${angle.toFixed(1)})">${bands.join('')}</pattern>`
  const cloth = `<filter id="cloth"><feTurbulence type="fractalNoise" baseFrequency="0.02 0.6" numOctaves="2" seed="${Math.floor(between(random, 1, 999))}"/><feColorMatrix values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  0.9 0 0 0 -0.28"/></filter>`
  return `${pattern}${cloth}<rect width="100%" height="100%" fill="${hsl(hue + 12, 45, 55)}"/><rect width="100%" height="100%" fill="url(#bands)"/><rect width="${width}" height="${height}" filter="url(#cloth)" opacity="0.5"/>`
}

/** A tilted checkerboard of two colours, lit from one corner. */
export const checkerboards: Scene = ({ width, height }, random) => {
  const hue = between(random, 0, 360)
  const size = between(random, 34, 72)
  const squares = `<rect width="${size}" height="${size}" fill="${hsl(hue, 55, 24)}"/><rect x="${size}" y="${size}" width="${size}" height="${size}" fill="${hsl(hue, 55, 24)}"/>`
  const turn = `rotate(${between(random, -12, 12).toFixed(1)}) skewX(${between(random, -14, 14).toFixed(1)})`
  const pattern = `<pattern id="squares" width="${size * 2}" height="${size * 2}" patternUnits="userSpaceOnUse" patternTransform="${turn}">${squares}</pattern>`
  const light = `<radialGradient id="light" cx="${random().toFixed(2)}" cy="0.1" r="1.1"><stop stop-color="#fff" stop-opacity="0.45"/><stop offset="0.5" stop-color="#fff" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity="0.4"/></radialGradient>`
  return `${pattern}${light}<rect width="100%" height="100%" fill="${hsl(hue + 45, 60, 84)}"/><rect width="100%" height="100%" fill="url(#squares)"/><rect width="${width}" height="${height}" fill="url(#light)"/>`
}

/** Hills one behind the other under a sky with a sun and clouds. */
export const landscapes: Scene = ({ width, height }, random) => {
  const dusk = random()
  const sky = gradient('sky', hsl(212 + dusk * 40, 62, 58 - dusk * 14), hsl(205 - dusk * 178, 80, 86 - dusk * 8))
  const horizon = height * between(random, 0.5, 0.62)
  const radius = height * between(random, 0.05, 0.09)
  const sun = `<circle cx="${width * between(random, 0.15, 0.85)}" cy="${horizon * between(random, 0.35, 0.75)}" r="${radius}" fill="${hsl(48 - dusk * 20, 98, 80)}"/>`
  const clouds = `<filter id="clouds"><feTurbulence type="fractalNoise" baseFrequency="0.006 0.02" numOctaves="4" seed="${Math.floor(between(random, 1, 999))}"/><feColorMatrix values="0 0 0 0 1  0 0 0 0 1  0 0 0 0 1  2.6 0 0 0 -1.15"/></filter><rect width="${width}" height="${horizon * 1.1}" filter="url(#clouds)"/>`
  const hue = between(random, 95, 160)
  const hills = range(4).map(i => {
    const base = horizon + (height - horizon) * (i / 4)
    const rise = height * (0.17 - 0.03 * i)
    const waves = range(3).map(k => ({ phase: between(random, 0, 6.3), length: width / between(random, 0.7 + k, 1.6 + k * 1.6) }))
    const ridge = range(81).map(k => {
      const x = (width * k) / 80
      const y = base - rise * waves.reduce((sum, wave, n) => sum + Math.sin((x / wave.length) * 6.28 + wave.phase) / (2 + n * 2), 0.4)
      return `${x.toFixed(1)},${y.toFixed(1)}`
    })
    const points = `0,${height} ${ridge.join(' ')} ${width},${height}`
    return { points, fill: hsl(hue + (3 - i) * 18, 24 + i * 9, 58 - i * 12) }
  })
  const layers = hills.map(({ points, fill }) => `<polygon points="${points}" fill="${fill}"/>`).join('')
  const grass = `<filter id="grass"><feTurbulence type="fractalNoise" baseFrequency="0.35 0.08" numOctaves="3" seed="${Math.floor(between(random, 1, 999))}"/><feColorMatrix values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  0.8 0 0 0 -0.24"/></filter><clipPath id="near"><polygon points="${hills.at(-1)?.points ?? ''}"/></clipPath><g clip-path="url(#near)"><rect width="${width}" height="${height}" filter="url(#grass)" opacity="0.6"/></g>`
  return `${sky}<rect width="100%" height="100%" fill="url(#sky)"/>${sun}${clouds}${layers}${grass}`
}
