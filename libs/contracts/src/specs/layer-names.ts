import { LayermillError } from '@layermill/core'
import { canonicalLayer, getNetwork, networkIds } from '@layermill/models'

/** Fields of a spec that name layers. */
type LayerNames =
  | { kind: 'extract'; model: string; layers?: string[] | undefined }
  | { kind: 'finetune'; model: string; layer?: string | undefined; base: string | Record<string, number> }
  | { kind: 'predict'; model: string }

/**
 * The spec with our names of layers in the place of those that other systems have for them (`layer4` is `res5`): results, identity and
 * cache know a layer by one name. Layers of fine-tuned models are left as they are, since their network is not known here.
 * @throws LayermillError `SPEC_INVALID` where two names are of one layer
 */
export function withOurLayerNames<Spec extends LayerNames>(spec: Spec): Spec {
  if (!networkIds.includes(spec.model)) return spec
  const network = getNetwork(spec.model)
  const ours = (name: string): string => canonicalLayer(network, name)
  if (spec.kind === 'extract' && spec.layers !== undefined) {
    const layers = spec.layers.map(ours)
    if (new Set(layers).size < layers.length)
      throw new LayermillError(
        'SPEC_INVALID',
        `layers: got ${spec.layers.join(',')}, which name a layer twice (${layers.join(',')}), expected different ones`,
      )
    return { ...spec, layers }
  }
  if (spec.kind !== 'finetune') return spec
  const base =
    typeof spec.base === 'string' ? spec.base : Object.fromEntries(Object.entries(spec.base).map(([name, scale]) => [ours(name), scale]))
  return { ...spec, ...(spec.layer === undefined ? {} : { layer: ours(spec.layer) }), base }
}
