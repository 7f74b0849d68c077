/**
 * Letters as lines, so that a picture shows the same names on every machine, whichever fonts it has, or none.
 *
 * A glyph is polylines with a space between, each of points with an x and a y digit: y is 0 at the descender, 2 on the baseline, 6 at the
 * height of small letters and 8 at that of capitals. A polyline of one point twice is a dot.
 */
const glyphs: Readonly<Record<string, string>> = {
  a: '4642 4536160503123243',
  b: '0802 0516364543321203',
  c: '4536160503123243',
  d: '4842 4536160503123243',
  e: '04444536160503123243',
  f: '38281712 0636',
  g: '4641301001 4536160503123243',
  h: '0802 0516364542',
  i: '0602 0808',
  j: '161100 1818',
  k: '0802 360432',
  l: '080312',
  m: '0602 0516263532 3546566562',
  n: '0602 0516364542',
  o: '051636454332120305',
  p: '0600 0516364543321203',
  q: '4640 4536160503123243',
  r: '0602 051636',
  s: '4616051434433202',
  t: '18132232 0636',
  u: '0603123243 4642',
  v: '062246',
  w: '0612365266',
  x: '0642 4602',
  y: '0622 4610',
  z: '06460242',
  A: '022842 1434',
  B: '02083847463505 3544433202',
  C: '4738180703123243',
  D: '02082846442202',
  E: '48080242 0535',
  F: '480802 0535',
  G: '47381807031232434525',
  H: '0802 4842 0545',
  I: '0802',
  J: '4843321203',
  K: '0802 480542',
  L: '080242',
  M: '0208356862',
  N: '02084248',
  O: '071838474332120307',
  P: '02083847463505',
  Q: '071838474332120307 3442',
  R: '02083847463505 2542',
  S: '473818070615354443321203',
  T: '0848 2822',
  U: '080312324348',
  V: '082248',
  W: '0812375268',
  X: '0842 4802',
  Y: '082548 2522',
  Z: '08480242',
  '0': '071838474332120307',
  '1': '172822 1232',
  '2': '07183847460242',
  '3': '07183847463525 354443321203',
  '4': '32380444',
  '5': '480805354443321203',
  '6': '473818070312324344351504',
  '7': '084812',
  '8': '15060718384746351504031232434435',
  '9': '463515060718384743321203',
  '.': '0202',
  ',': '0201',
  '-': '0434',
  _: '0141',
  ':': '0202 0505',
  ';': '0201 0505',
  '!': '0804 0202',
  '?': '071838474624 2222',
  '(': '18070312',
  ')': '08171302',
  '[': '18080212',
  ']': '08181202',
  '{': '28181605141222',
  '}': '08181625141202',
  '/': '0248',
  '\\': '0842',
  '|': '0801',
  '+': '2327 0545',
  '=': '0444 0646',
  '<': '470543',
  '>': '074503',
  '*': '2428 0547 0745',
  '&': '42071827260403122244',
  '%': '0248 0707 4343',
  '#': '1218 3238 0444 0646',
  '@': '363414163635334347381807031232',
  $: '473818070615354443321203 2921',
  "'": '0806',
  '"': '0806 2826',
  '^': '062846',
  '`': '0817',
  '~': '04153445',
  '…': '0202 2222 4242',
  ' ': '',
}

/** Drawn for letters that there are none of. */
const box = '0208383202'

const baseline = 2
/** Height of a capital, in units of the glyphs. */
const capital = 6
const spaceWidth = 3
const gap = 2

/** Letters to draw: accents are left out, so that the letters below them are known. */
const lettersOf = (text: string): string[] => Array.from(text.normalize('NFD').replaceAll(/\p{M}/gu, ''))

const glyphOf = (letter: string): string => glyphs[letter] ?? box

/** Points of a glyph's polylines. */
const linesOf = (glyph: string): [number, number][][] =>
  glyph
    .split(' ')
    .filter(line => line !== '')
    .map(line => [...line.matchAll(/(\d)(\d)/g)].map(([, x, y]) => [Number(x), Number(y)]))

function advanceOf(letter: string): number {
  const xs = linesOf(glyphOf(letter)).flatMap(line => line.map(([x]) => x))
  return xs.length === 0 ? spaceWidth : Math.max(...xs) + gap
}

/** Units of the glyphs for each pixel of a font's size, whose capitals take 0.72 of it. */
const scaleOf = (size: number): number => (size * 0.72) / capital

/** Width of a text in pixels. @param size of the font, in pixels */
export function textWidth(text: string, size: number): number {
  return lettersOf(text).reduce((width, letter) => width + advanceOf(letter), 0) * scaleOf(size)
}

/**
 * An SVG element that shows a text without any font.
 *
 * @param place left end of the baseline, size of the font in pixels, colour of the ink
 */
export function textPath(
  text: string,
  place: { readonly x: number; readonly y: number; readonly size: number; readonly colour: string },
): string {
  const scale = scaleOf(place.size)
  let left = place.x
  let path = ''
  for (const letter of lettersOf(text)) {
    for (const line of linesOf(glyphOf(letter))) {
      const points = line.map(([x, y]) => `${(left + x * scale).toFixed(2)} ${(place.y - (y - baseline) * scale).toFixed(2)}`)
      path += `M${points.join('L')}`
    }
    left += advanceOf(letter) * scale
  }
  const width = (scale * 0.8).toFixed(2)
  return `<path d="${path}" fill="none" stroke="${place.colour}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"/>`
}
