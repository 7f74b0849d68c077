import * as z from 'zod'

const seed = z.string().min(1).max(100).optional().describe('Seed of folds, random orders and samples. Default: 0.')

/** Choices of an audit, as its flags are named. @param Run another run: an id, or the place of one */
export const auditSettings = <Run extends z.ZodType<string>>(Run: Run) =>
  z.strictObject({
    heldOut: Run.optional().describe('Run of held-out images, the same layer: images that are there too are named as leaks.'),
    reference: Run.optional().describe('Run that drift is told against.'),
    labelScore: z.enum(['self-confidence', 'margin']).optional().describe('Score of labels. Default: self-confidence.'),
    neighbours: z.enum(['auto', 'exact', 'index']).optional().describe('How nearest images are found. Default: auto.'),
    labels: z.int().min(0).max(100_000_000).optional().describe('Suspect labels to name. Default: 5% of the images.'),
    outliers: z.int().min(0).max(100_000_000).optional().describe('Outliers to name. Default: 1% of the images.'),
    permutations: z.int().min(19).max(100_000).optional().describe('Random orders for the p-value of drift. Default: 200.'),
    seed,
    skipPictures: z.boolean().optional().describe('Does not read the pictures.'),
    update: z.boolean().optional().describe('Goes on from the last audit: new images alone are compared with all.'),
  })

/** Measures of pairs of feature sets. */
export const compareMeasures = ['cka', 'rsa', 'rbf', 'svcca', 'cca', 'procrustes'] as const

/** Choices of a comparison, as its flags are named. */
export const compareSettings = z.strictObject({
  measures: z
    .array(z.enum(compareMeasures))
    .min(1)
    .max(compareMeasures.length)
    .optional()
    .describe('Default: all up to 500 rows, cka and rsa beyond.'),
  rdm: z.enum(['pearson', 'cosine', 'euclidean', 'sqeuclidean']).optional().describe('Dissimilarity for RSA. Default: pearson.'),
  minibatch: z.int().min(4).max(1_000_000).optional().describe('Rows of a batch for debiased CKA by batches. Default: none.'),
  partial: z.string().min(1).max(400).optional().describe('Set whose dissimilarities are held constant. Default: none.'),
  permutations: z.int().min(0).max(1_000_000).optional().describe('Random orders for p-values of RSA. Default: 0.'),
  bootstrap: z.int().min(0).max(1_000_000).optional().describe('Samples of rows for intervals of RSA. Default: 0.'),
  seed,
  writeRdm: z.enum(['condensed', 'square']).optional().describe('Dissimilarities to write as .npy. Default: none.'),
})
