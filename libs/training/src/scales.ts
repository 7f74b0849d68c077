import { LayermillError } from '@layermill/core'

/**
 * Learning-rate factors by pattern, first match wins. A pattern is a parameter's name (or another name that it goes by, such as its
 * layer's), the start of one up to a `/` (`res5` means `res5/...`), may hold `*` for any characters, and `*` alone means all. A factor
 * of 0 freezes.
 */
export type ScaleTable = Readonly<Record<string, number>>

function matcher(pattern: string): RegExp {
  const source = pattern
    .split('*')
    .map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.*')
  return new RegExp(`^${source}(/.*)?$`, 'u')
}

/**
 * Each parameter's factor; 1 where no pattern matches.
 * @param alsoCalled further names that a pattern may mean a parameter by
 * @throws LayermillError `SCALE_INVALID` for a negative factor, or a pattern that no parameter gets its factor from
 */
export function learningRateScales(
  parameters: Iterable<string>,
  table: ScaleTable,
  alsoCalled: (parameter: string) => readonly string[] = () => [],
): Map<string, number> {
  const rules = Object.entries(table).map(([pattern, scale]) => {
    if (!Number.isFinite(scale) || scale < 0)
      throw new LayermillError('SCALE_INVALID', `${pattern}: ${scale}: expected a factor of 0 or more`)
    return { pattern, scale, expression: matcher(pattern), used: pattern === '*', behind: '' }
  })
  const result = new Map<string, number>()
  for (const name of parameters) {
    const names = [name, ...alsoCalled(name)]
    const matching = rules.filter(({ expression }) => names.some(each => expression.test(each)))
    for (const rule of matching.slice(1)) rule.behind ||= matching[0]!.pattern
    if (matching[0] !== undefined) matching[0].used = true
    result.set(name, matching[0]?.scale ?? 1)
  }
  const unused = rules.find(({ used }) => !used)
  if (unused === undefined) return result
  const { pattern, behind } = unused
  if (behind !== '') {
    throw new LayermillError(
      'SCALE_INVALID',
      `the scale of ${pattern} is never used: ${behind} comes first and means the same parameters`,
      {
        hint: 'the first name that fits counts: put the narrower one first',
      },
    )
  }
  throw new LayermillError('SCALE_INVALID', `no parameter is called ${pattern}, starts with ${pattern}/ or is in a layer of that name`, {
    hint: 'layermill models NAME lists the layers of a network',
  })
}
