import * as z from 'zod'

const count = z.int().nonnegative()
const ranges = z.array(z.tuple([count, count])).describe('Ranges of parts, [first, last].')

export const RunParts = z
  .object({
    committed: ranges,
    withErrors: ranges.describe('Parts that left out images, [first, last].'),
  })
  .meta({ id: 'RunParts', description: 'Which parts of a run are there.' })
export type RunParts = z.output<typeof RunParts>

export const FailedImage = z.object({ part: count, key: z.string(), code: z.string(), reason: z.string() })
export const FailurePage = z
  .object({
    failures: z.array(FailedImage),
    next: count.optional().describe('The part to go on with; left out on the last page.'),
  })
  .meta({ id: 'FailurePage', description: 'Images of a run that were left out, by part.' })
export type FailurePage = z.output<typeof FailurePage>

const Mistake = z.object({ key: z.string(), label: z.string(), predicted: z.string(), probability: z.number() })
export const RunEvaluation = z
  .object({
    epoch: count,
    samples: count,
    accuracy: z.number(),
    macroF1: z.number(),
    classes: z.array(z.string()),
    confusion: z.array(z.array(count)).describe('confusion[label][predicted], held-out images.'),
    mistakes: z.array(Mistake).describe('The worst ones, worst first.'),
  })
  .meta({ id: 'RunEvaluation', description: 'The best epoch of a fine-tuning run on its held-out images.' })
export type RunEvaluation = z.output<typeof RunEvaluation>

/** An image whose features are looked at. */
export const SampledImage = z.object({
  part: count,
  key: z.string(),
  label: z.string().optional(),
  components: z.array(z.number()).describe('Its principal components, largest variance first.'),
})
export const Projection = z
  .object({
    layer: z.string(),
    dimensions: count.describe('Numbers of an image; feature maps are averaged over their places.'),
    images: count.describe('Images with features in the parts that are there.'),
    points: z.array(SampledImage),
    variance: z.array(z.number()).describe('Share of the variance of each component.'),
  })
  .meta({ id: 'Projection', description: "A sample of a run's features, by their principal components." })
export type Projection = z.output<typeof Projection>

export const NeighbourList = z
  .object({
    neighbours: z.array(
      z.object({ point: count.describe("Its place in the projection's points."), similarity: z.number().describe('Cosine, at most 1.') }),
    ),
  })
  .meta({ id: 'NeighbourList', description: 'The images of the sample that are nearest to one of them.' })
export type NeighbourList = z.output<typeof NeighbourList>

/** Places of an image: a part of the run, or a list that the run keeps. */
export const PicturePlace = z.union([count, z.enum(['mistakes', 'training', 'validation', 'results', 'audit'])])
export type PicturePlace = z.output<typeof PicturePlace>

const Score = z.object({ label: z.string(), probability: z.number() })
export const RunImage = z.object({
  part: PicturePlace.describe('Of the thumbnail route.'),
  key: z.string(),
  label: z.string().optional(),
  predicted: z.array(Score).optional().describe('Likeliest classes, likeliest first.'),
  heldOut: z.boolean().optional().describe('Of a fine-tuning run: the network did not learn from it.'),
  nearest: z
    .object({ part: count, key: z.string(), label: z.string().optional(), similarity: z.number() })
    .optional()
    .describe('The image most like it, by cosine; where it was asked for.'),
})
export type RunImage = z.output<typeof RunImage>

export const ImagePage = z
  .object({
    images: z.array(RunImage),
    labels: z.array(z.string()).describe('Labels met, for a filter; those of this page where a run has many parts.'),
    next: z.string().optional().describe('The from to go on with; left out on the last page.'),
    compared: count.optional().describe('Images that nearest ones were looked for among; of very many an even part of them.'),
  })
  .meta({ id: 'ImagePage', description: "Some of a run's images, with what is known of each." })
export type ImagePage = z.output<typeof ImagePage>

const TryHead = z.object({
  name: z.string(),
  classes: z.array(Score).describe('Likeliest classes, likeliest first; none where the target is numbers.'),
  labels: z.array(z.string()).optional().describe('Of several labels an image: those above their thresholds.'),
  values: z
    .array(z.object({ label: z.string(), value: z.number() }))
    .optional()
    .describe('Of numbers.'),
})

export const TryResult = z
  .object({
    network: z.string(),
    layer: z.string().optional().describe('Layer that was compared.'),
    classes: z.array(Score).optional().describe('Likeliest classes, likeliest first.'),
    heads: z.array(TryHead).optional().describe('Answers of a model with several targets, instead of classes.'),
    neighbours: z
      .array(z.object({ part: count, key: z.string(), label: z.string().optional(), similarity: z.number() }))
      .optional()
      .describe("The run's images that are nearest, by cosine."),
    why: z
      .object({
        label: z.string().describe('Class that is explained: the likeliest.'),
        layer: z.string(),
        overlay: z.string().optional().describe('PNG in base64: warm where the picture speaks for the class; left out where nothing does.'),
      })
      .optional()
      .describe('Where in the picture the score comes from, by Grad-CAM; where it was asked for.'),
    seconds: z.number(),
  })
  .meta({ id: 'TryResult', description: 'What a model or a run makes of one picture.' })
export type TryResult = z.output<typeof TryResult>

export const FeatureMap = z
  .object({
    layer: z.string(),
    images: count.describe('Images with features.'),
    shown: count.describe('Images on the map: all up to 100,000, evenly spread ones beyond.'),
    done: z.number().describe('Progress of the computation, 0 to 1; the fields below come with 1.'),
    keys: z.array(z.string()).optional(),
    parts: z.array(count).optional(),
    labels: z.array(z.int()).optional().describe('Place in names; -1 without a label.'),
    names: z.array(z.string()).optional().describe('Labels there are.'),
    clusters: z.array(count).optional().describe('Cluster of each image, by k-means of its principal components.'),
    x: z.array(count).optional().describe('0 to 65535, near each other means alike.'),
    y: z.array(count).optional(),
  })
  .meta({ id: 'FeatureMap', description: "All images of a run on a map of a layer's features." })
export type FeatureMap = z.output<typeof FeatureMap>

export const RunPredictions = z
  .object({
    images: count.describe('Images of the run; at most 100,000 are listed.'),
    keys: z.array(z.string()),
    names: z.array(z.string()).describe('Classes that images were taken for.'),
    predicted: z.array(count).describe('Place in names of each image.'),
    probabilities: z.array(z.number()).describe('Of that class, three digits.'),
  })
  .meta({ id: 'RunPredictions', description: 'The likeliest class of each image of a prediction.' })
export type RunPredictions = z.output<typeof RunPredictions>

export const Activations = z
  .object({
    layer: z.string(),
    channels: z
      .array(
        z.object({
          channel: count,
          peak: z.number().describe('Its largest value.'),
          width: count,
          height: count,
          values: z.array(z.number()).describe('Row by row, 0 for its least value to 1 for its largest.'),
        }),
      )
      .describe('Strongest first.'),
  })
  .meta({ id: 'Activations', description: 'Channels of a layer that answer strongest to one image, and where.' })
export type Activations = z.output<typeof Activations>

export const LayerComparison = z
  .object({
    images: count.describe('Images of the sample that have labels.'),
    classes: count,
    layers: z.array(
      z.object({
        layer: z.string(),
        bytesPerImage: z.number().describe('As it is written.'),
        accuracy: z.number().describe('Share of the sample that a linear classifier tells, each judged by a fit to the others.'),
        standardError: z.number(),
      }),
    ),
    suggested: z.string().describe('The smallest layer that is as good as the best, as far as the sample tells.'),
  })
  .meta({ id: 'LayerComparison', description: "How well a run's layers tell its classes, and what they take." })
export type LayerComparison = z.output<typeof LayerComparison>

export const ChannelDifferences = z
  .object({
    layer: z.string(),
    images: count.describe('Images of the sample.'),
    classes: z.array(
      z.object({
        label: z.string(),
        images: count,
        channels: z.array(
          z.object({
            channel: count,
            mean: z.number(),
            others: z.number().describe('Mean of the other images.'),
            difference: z.number().describe('Of the means, in standard deviations over all images.'),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'ChannelDifferences', description: 'Channels in which each class differs most from the others.' })
export type ChannelDifferences = z.output<typeof ChannelDifferences>
