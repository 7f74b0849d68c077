import type { FeatureFormat, LayerComparison, LayerResult } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { linearProbe, suggestLayer } from '../features/linear-probe.js'
import { sampleFeatures } from './sample.js'

/** Images that layers are compared on: the time grows with their cube. */
const sampled = 240

/**
 * How well each layer of a run tells the classes of a sample, by a linear classifier on averaged maps.
 * @throws LayermillError `NOT_RECORDED` where the sample has no two classes of two images; as reading the features does
 */
export async function compareLayers(store: Store, layers: readonly LayerResult[], format: FeatureFormat): Promise<LayerComparison> {
  const found: LayerComparison['layers'] = []
  let [images, classes] = [0, 0]
  for (const { name, bytesPerImage } of layers) {
    const sample = await sampleFeatures(store, { layer: name, format, bytesPerImage }, sampled)
    const labelled = sample.rows.flatMap(({ label }, row) => (label === undefined ? [] : [{ label, row }]))
    const names = [...new Set(labelled.map(({ label }) => label))]
    if (names.length < 2 || labelled.length < 2 * names.length)
      throw new LayermillError('NOT_RECORDED', `${store.url}: a sample of ${labelled.length} images with labels has no two classes to tell`)
    const features = labelled.map(({ row }) => sample.values.subarray(row * sample.dimensions, (row + 1) * sample.dimensions))
    const labels = labelled.map(({ label }) => names.indexOf(label))
    found.push({ layer: name, bytesPerImage, ...(await linearProbe({ features, labels, classes: names.length })) })
    images = labelled.length
    classes = names.length
  }
  return { images, classes, layers: found, suggested: suggestLayer(found) }
}
