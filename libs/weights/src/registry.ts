import { networks, type PublishedWeights } from '@layermill/models'

/** Published weights by network id. */
export type WeightRegistry = Readonly<Record<string, PublishedWeights>>

/** All known files, by what the networks' definitions name. */
export const publishedWeights: WeightRegistry = Object.fromEntries(
  networks.flatMap(({ name, published }) => [
    [name, published.caffe],
    [`${name}.tv`, published.torchvision],
  ]),
)
