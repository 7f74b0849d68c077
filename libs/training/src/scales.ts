import { LayermillError } from '@layermill/models'

/**
 * Learning-rate factors by pattern, first match wins. A pattern is a parameter's name (or another name that it goes by, such as its
 * layer's), the start of one up to a `/` (`res5` means `res5/...`), may hold `*` for any characters, and `*` alone means all. A factor
 * of 0 freezes.
 */
export type ScaleTable = Readonly<Record<string, number>>

function matcher(pattern: string): RegExp {
  const source = pattern.split('*').map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)).join('.*')
  return new RegExp(`^${source}(/.*)?$`, 'u')
}

/**
 * Each parameter's factor; 1 where no pattern matches.
 * @param alsoCalled further names that a pattern may mean a parameter by
 * @throws LayermillError `SCALE_INVALID` for a negative factor, or a pattern that matches no parameter.
 */
export function learningRateScales(
  parameters: Iterable<string>,
  table: ScaleTable,
  alsoCalled: (parameter: string) => readonly string[] = () => [],
): Map<string, number> {
  const rules = Object.entries(table).map(([pattern, scale]) => {
    if (!Number.isFinite(scale) || scale < 0) throw new LayermillError('SCALE_INVALID', `${pattern}: ${scale}: expected a factor of 0 or more`)
    return { pattern, scale, expression: matcher(pattern), used: pattern === '*' }
  })
  const result = new Map<string, number>()
  for (const name of parameters) {
    const names = [name, ...alsoCalled(name)]
    const matching = rules.filter(({ expression }) => names.some(each => expression.test(each)))
    for (const rule of matching) rule.used = true
    result.set(name, matching[0]?.scale ?? 1)
  }
  const unused = rules.find(({ used }) => !used)
  if (unused === undefined) return result
  throw new LayermillError('SCALE_INVALID', `no parameter is called ${unused.pattern}, starts with ${unused.pattern}/ or is in a layer of that name`)
}
