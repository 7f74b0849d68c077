import * as z from 'zod'

const number = z.number().nullable()

/** One number of a pair of sets, and where it is in the pair's record in `compare.json`. */
interface PairNumber {
  readonly name: string
  readonly title: string
  readonly path: readonly string[]
}

/** Numbers of a comparison that are shown as matrices, the main one first. */
export const pairNumbers: readonly PairNumber[] = [
  { name: 'cka-debiased', title: 'Linear CKA, debiased', path: ['cka', 'debiased'] },
  { name: 'cka-biased', title: 'Linear CKA, biased', path: ['cka', 'biased'] },
  { name: 'cka-minibatch', title: 'Linear CKA, debiased, by minibatches', path: ['cka', 'minibatch'] },
  { name: 'rsa-spearman', title: 'RSA, Spearman', path: ['rsa', 'spearman'] },
  { name: 'rsa-pearson', title: 'RSA, Pearson', path: ['rsa', 'pearson'] },
  { name: 'rsa-kendall-tau-a', title: "RSA, Kendall's tau-a", path: ['rsa', 'kendallTauA'] },
  { name: 'rsa-partial-spearman', title: 'RSA, Spearman, one set held constant', path: ['rsa', 'partial', 'spearman'] },
  { name: 'rbf-cka-biased', title: 'RBF CKA, biased', path: ['rbf', 'biased'] },
  { name: 'rbf-cka-debiased', title: 'RBF CKA, debiased', path: ['rbf', 'debiased'] },
  { name: 'svcca', title: 'SVCCA, mean correlation', path: ['svcca', 'mean'] },
  { name: 'procrustes-angle', title: 'Procrustes, angle', path: ['procrustes', 'angle'] },
]

/** A pair's number; null where it is undefined, undefined where it was not computed. */
export function pairNumberOf(pair: unknown, path: readonly string[]): number | null | undefined {
  let value = pair
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return typeof value === 'number' || value === null ? value : undefined
}

export const RunComparison = z
  .object({
    sets: z.array(z.object({ name: z.string(), rows: z.int(), columns: z.int() })),
    measures: z
      .array(z.object({ name: z.string(), title: z.string(), values: z.array(z.array(number)).describe('Of each pair of sets.') }))
      .describe('The main one first.'),
    order: z.array(z.int().nonnegative()).describe('Places of the sets, like ones beside each other.'),
    joins: z
      .array(z.object({ leaves: z.tuple([z.number(), z.number()]), from: z.tuple([z.number(), z.number()]), distance: z.number() }))
      .describe(
        'Tree of the sets: groups at two places in the order, with their own distances, that join at a distance (average linkage).',
      ),
  })
  .meta({ id: 'RunComparison', description: 'Feature sets held against each other, all pairs.' })
export type RunComparison = z.output<typeof RunComparison>
