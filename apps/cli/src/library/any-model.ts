import { classLabels, type LoadedModel } from '@layermill/gpu-worker'
import { getNetwork, LayermillError, networkIds, readModelFolder, type WeightSet } from '@layermill/models'
import { openStore } from '@layermill/storage'

/**
 * A network by name with the weights that `load` gets, or a fine-tuned model from its folder or URL, which has its own.
 * @throws LayermillError `MODEL_UNKNOWN` for neither; `MODEL_INVALID`; as `load` and the store do
 */
export async function loadAnyModel(
  model: string,
  source: string,
  load: (model: string, source: string) => Promise<WeightSet>,
): Promise<LoadedModel> {
  if (networkIds.includes(model)) {
    const weights = await load(model, source)
    const network = getNetwork(model, weights.variant)
    return { network, weights, labels: classLabels(network.classes) }
  }
  if (!/[/\\]/.test(model)) getNetwork(model)
  const store = openStore(model)
  try {
    const stored = await readModelFolder(store, model)
    if (stored !== undefined) return stored
  } finally {
    await store.close()
  }
  throw new LayermillError('MODEL_UNKNOWN', `there is no fine-tuned model at ${model}: it has no model.json`, {
    hint: `expected a folder that layermill finetune wrote, or one of ${networkIds.join(', ')}`,
  })
}
